"""Benchmarks of lmctl against other programs; each module is a command."""
