"""The names of texts that are read through fsspec, such as s3://bucket/corpus.txt.

A name with a protocol is an address, even if a file has this name: the meaning of a command does not depend on the
working folder. `./s3://x` names the file. `file:///x` and `file://localhost/x` are the file /x, and fsspec has no
part in it.

An address may have a password (`https://user:password@host/`) or a signature (`?X-Amz-Signature=...`). These are
kept in the memory of the process alone. All other parts of lmctl know such a text by its public name, which has
neither user nor query, so that no message, record or result shows them.

Not everything before an @ is a user. In `abfs://container@account/x` and `github://org:repo@branch/x` it says
where the text is, and without it two texts would have one name.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from lmctl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

# A protocol, and before it the protocols of a chain, as in simplecache::s3://bucket/corpus.txt.
_PROTOCOL = r"[a-z][a-z0-9+.-]*"
_ADDRESS = re.compile(rf"(?:{_PROTOCOL}::)*({_PROTOCOL})://", re.IGNORECASE)
_LINKS = re.compile(rf"::(?={_PROTOCOL}://)", re.IGNORECASE)
# In a sentence, without the punctuation after it.
_IN_TEXT = re.compile(rf"{_PROTOCOL}://[^\s'\"<>]*[^\s'\"<>;,.:)]", re.IGNORECASE)
# Of S3: which version of an object. It is no secret, and without it another text would be read.
_VERSION = re.compile(r"versionId=[\w.-]+")
_LOCAL = ("file", "local")
# Protocols whose names have a place before an @, and no user: container@account, org:repo@branch, path:branch@.
_PLACE_BEFORE_AT = ("abfs", "abfss", "az", "adl", "github", "git", "oci", "ocilake")
_S3 = ("s3", "s3a")
# Protocols whose names are paths: they have no host, so @, : and ? are characters of names.
_PATHS = (*_LOCAL, "memory", "zip", "tar", "libarchive", "dir", "hf")

WEB = ("http", "https")
# The name of an address whose user and password cannot be told apart from the rest.
_UNREADABLE = "..."

# The whole addresses, by their public names.
_whole: dict[str, str] = {}


def is_address(name: str) -> bool:
    """Whether a name has a protocol, such as s3:// or file://."""
    return _ADDRESS.match(name) is not None


def protocol_of(address: str) -> str:
    """The protocol of an address in small letters: of a chain, that of its last link."""
    return _LINKS.split(address)[-1].partition("://")[0].lower()


def is_chain(address: str) -> bool:
    """Whether an address has several links, as in simplecache::s3://bucket/corpus.txt."""
    return "::" in address.partition("://")[0] or len(_LINKS.split(address)) > 1


def local_path(name: str) -> Path | None:
    """The path of a file of this machine that a name means; None: it is an address of another store."""
    if not is_address(name):
        return Path(name)
    if protocol_of(name) not in _LOCAL or is_chain(name):
        return None
    place = name.partition("://")[2]
    # This host may be named (RFC 8089, section 2).
    return Path(place.removeprefix("localhost") if place.startswith("localhost/") else place)


def file_name(name: str) -> str:
    """The last part of a path or an address, such as corpus.txt; empty if it has none."""
    if (path := local_path(name)) is not None:
        return path.name
    link = next(link for link in _LINKS.split(public_name(name)) if "://" in link)
    protocol, _, place = link.partition("://")
    # Of other stores, the last part may be the whole name, as in memory://a.txt.
    return PurePosixPath(place.partition("/")[2] if protocol.lower() in WEB else place).name


def public_name(name: str) -> str:
    """A name without user, password and query; names without a protocol are unchanged.

    If a password has a character that ends it too early, nothing but the protocol is left: `https://...`.
    """
    return "::".join(map(_public_link, _LINKS.split(name))) if is_address(name) else name


def public_text(text: str) -> str:
    """A text, such as a message of a library, with the public names of all addresses in it."""
    for public, whole in _whole.items():
        text = text.replace(whole, public)
        # A password or a query may have quotation marks, which end an address in a sentence.
        for part in _hidden_parts(whole):
            text = text.replace(part, "")
    return _IN_TEXT.sub(lambda found: public_name(found.group()), text)


def known_name(name: str) -> str:
    """The name by which lmctl knows a text that the user named.

    Of an address, it is the public name; user, password and query are kept. A path is returned as it is, and for
    file:// the path that it means.

    Args:
        name: what the user typed.

    Raises:
        UsageError: another address with this public name is kept, so that the two could not be told apart; or it
            is not certain where its password ends.
    """
    if not is_address(name):
        return name
    if (local := local_path(name)) is not None:
        # A relative one might be "-".
        return str(local) if local.is_absolute() else f"./{local}"
    public = public_name(name)
    if any(link.endswith(f"://{_UNREADABLE}") for link in _LINKS.split(public)):
        raise UsageError(
            f"{public}: the port is not a number; write / ? # in a user or a password as %2F, %3F and %23"
        )
    if _whole.setdefault(public, name) != name:
        raise UsageError(
            f"{public}: is named twice, with different users or queries; lmctl tells texts apart by their "
            "addresses without them; download one of the two"
        )
    return public


def forget(names: Iterable[str]) -> None:
    """Forget what is kept for addresses, since another call of the library may have another signature."""
    for name in names:
        _whole.pop(public_name(name), None)


def has_kept(public: str) -> bool:
    """Whether a name is the public name of an address whose user or query is kept."""
    return whole_address(public) != public


def whole_address(name: str) -> str:
    """The address with the user, password and query that were kept for a public name."""
    return _whole.get(name, name)


def _public_link(link: str) -> str:
    """One link of a chain without user and query."""
    protocol, mark, rest = link.partition("://")
    kind = protocol.lower()
    if not mark or kind in _PATHS:
        return link
    place, _, query = rest.partition("?")
    if kind in WEB:
        place = place.partition("#")[0]
    host, slash, path = place.partition("/")
    # An access point of S3, arn:aws:s3:REGION:ACCOUNT:accesspoint/NAME, has colons as well.
    if kind not in _PLACE_BEFORE_AT and not (kind in _S3 and host.startswith("arn:")):
        host = host.rpartition("@")[2]
        port = host.rpartition("]")[2].partition(":")[2]
        if port and not port.isdecimal():
            # A password with a / or ?, which has to be written as %2F or %3F, looks like a port.
            return f"{protocol}://{_UNREADABLE}"
    version = f"?{query}" if _VERSION.fullmatch(query) else ""
    return f"{protocol}://{host}{slash}{path}{version}"


def _hidden_parts(whole: str) -> list[str]:
    """The parts of an address that its public name does not have: `user:password@` and `?query`.

    Each comes as it is and unquoted, since libraries write both.
    """
    from urllib.parse import unquote

    found = []
    for link in _LINKS.split(whole):
        shown = public_name(link)
        before, _, query = link.partition("?")
        user, at, _ = before.partition("://")[2].partition("/")[0].rpartition("@")
        parts = [f"{user}@"] if at and at not in shown else []
        parts += [f"?{query}"] if query and "?" not in shown else []
        found += [each for part in parts for each in (part, unquote(part))]
    return found
