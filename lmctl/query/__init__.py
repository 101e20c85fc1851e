"""Queries in words, for models of every family."""
