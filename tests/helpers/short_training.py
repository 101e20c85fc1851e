"""Flags of a training that takes seconds."""

from __future__ import annotations

# This is enough to learn four sentences.
QUICK = ("--embedding-dim", "16", "--hidden-units", "16", "--epochs", "3", "--set", "model.layers=1")
