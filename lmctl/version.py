"""The version of lmctl; it is stored in everything that lmctl writes."""

__version__ = "0.1.0"


def package_version(name: str) -> str:
    """The version of an installed package; empty if it is not installed."""
    # Deferred: slow to import.
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(name)
    except PackageNotFoundError:
        return ""
