"""Flags of a training that is done in seconds."""

from __future__ import annotations

# Enough to learn four sentences, and quick.
QUICK = ("--embedding-dim", "16", "--hidden-units", "16", "--epochs", "3", "--set", "model.layers=1")
