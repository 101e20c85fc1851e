"""The version of lmctl, which its files store, and those of the packages that decide its answers."""

# Not imported from typing: this module must not import the standard library (lmctl/__init__.py).
TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

__version__ = "0.1.0"

# They compute or cut text. Some are extras.
PACKAGES = (
    "numpy",
    "rjieba",
    "jieba",
    "unicode-segmentation-rs",
    "sentencepiece",
    "sentencex",
    "tensorflow",
    "keras",
)


def package_version(name: str) -> str:
    """Return the version of an installed package; empty if it is not installed."""
    # Deferred: slow to import.
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def versions() -> dict[str, str]:
    """The versions on which answers and trainings depend, by name: of lmctl, Python, and the installed `PACKAGES`.

    No package is imported.
    """
    import platform

    installed = {name: package_version(name) for name in PACKAGES}
    present = {name: found for name, found in installed.items() if found}
    return {"lmctl": __version__, "python": platform.python_version()} | present


def package_folder() -> "Path":
    """The folder of the package, which also has configs/ and corpora/."""
    from pathlib import Path

    return Path(__file__).resolve().parent
