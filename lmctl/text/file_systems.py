"""The file systems of fsspec that read addresses, each by the package of a protocol."""

from __future__ import annotations

from typing import Any

from lmctl.errors import MissingExtraError, UsageError, quoted
from lmctl.text.addresses import WEB, is_chain, protocol_of

# A server that sends nothing for so long is not waited for.
SILENCE_SECONDS = 60
# Packages that are not called as the module that they install.
_PACKAGES = {"smbclient": "smbprotocol", "libarchive": "libarchive-c"}


def file_system(whole: str, name: str) -> tuple[Any, str]:
    """The file system of an address, and its path there.

    Args:
        whole: the address, with user and query.
        name: its public name.

    Raises:
        MissingExtraError: fsspec or its package for the protocol is not installed.
        UsageError: fsspec does not know the protocol.
        Exception: the package raised it.
    """
    try:
        import fsspec
    except ImportError:
        raise MissingExtraError(
            f"{name}: an address, which lmctl reads with a package that is not installed: pip install "
            f"'lmctl[remote]'; a file of this name is ./{name}"
        ) from None
    protocol = protocol_of(whole)
    try:
        options = _web_options(whole) if protocol in WEB else {}
        if is_chain(whole):
            system, path = fsspec.url_to_fs(whole, **{protocol: options})
        else:
            # fsspec knows protocols in small letters.
            system, path = fsspec.url_to_fs(f"{protocol}://{whole.partition('://')[2]}", **options)
    except ImportError as error:
        raise MissingExtraError(f"{name}: {_missing_package(whole, error)}") from error
    except ValueError as error:
        if "Protocol not known" not in str(error):
            raise
        raise UsageError(
            f"{name}: fsspec knows no protocol {quoted(protocol)}; expected one such as s3, gs, hf or https; a "
            f"file of this name is ./{name}"
        ) from error
    return system, path


def _missing_package(whole: str, error: ImportError) -> str:
    """The end of a message: which package is missing."""
    from fsspec.registry import known_implementations

    protocol = protocol_of(whole)
    missing = error.__cause__.name if isinstance(error.__cause__, ImportError) else error.name
    if is_chain(whole):
        # Any of its links may be the one that lacks its package.
        reader, module = "it", missing
    else:
        known: str = known_implementations.get(protocol, {}).get("class", "").partition(".")[0]
        reader, module = f"{protocol}://", missing if known in ("", "fsspec") else known
    if not module:
        return f"{reader} needs a package that is not installed: {error}"
    package = _PACKAGES.get(module, module)
    return f"{reader} is read with the package {package}, which is not installed: pip install {package}"


def _web_options(whole: str) -> dict[str, Any]:
    """Options for HTTP. Those of the user, in the configuration of fsspec, win.

    fsspec's own end a download after five minutes, and read proxies and netrc not at all.
    """
    import aiohttp
    from fsspec.config import conf

    client = {
        "timeout": aiohttp.ClientTimeout(total=None, sock_connect=SILENCE_SECONDS, sock_read=SILENCE_SECONDS),
        "trust_env": True,
        # The bytes as they are stored: lmctl itself decompresses.
        "auto_decompress": False,
    }
    given = conf.get("http", {}) | conf.get("https", {})
    return {
        "client_kwargs": client | given.get("client_kwargs", {}),
        "headers": {"Accept-Encoding": "identity"} | given.get("headers", {}),
        # An address that has escapes is sent as it is; a signature depends on it.
        "encoded": "%" in whole and whole.isascii(),
    }
