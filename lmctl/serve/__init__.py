"""Answers queries over HTTP: `lmctl serve`, and its page."""
