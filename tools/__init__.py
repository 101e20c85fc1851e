"""Tools for working on lmctl itself; not installed with it."""
