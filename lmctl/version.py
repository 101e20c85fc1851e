"""The version of lmctl; it is stored in everything that lmctl writes."""

__version__ = "0.1.0"
