"""The version of lmctl, which its files store."""

__version__ = "0.1.0"


def package_version(name: str) -> str:
    """Return the version of an installed package; empty if it is not installed."""
    # Deferred: slow to import.
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(name)
    except PackageNotFoundError:
        return ""
