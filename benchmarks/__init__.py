"""Benchmarks of lmctl against its peers; each module is a command."""
