"""Who may ask: the token of a file, and the names under which a server on loopback is addressed."""

from __future__ import annotations

import hmac
import ipaddress
import os
import stat
from typing import TYPE_CHECKING

from lmctl.errors import DataError, InputMissingError, UnsafeFileError
from lmctl.records import open_regular

if TYPE_CHECKING:
    from pathlib import Path

SHORTEST_TOKEN = 16
LONGEST_TOKEN = 1024


def read_token(path: Path) -> bytes:
    """Return the token in a file: its content without white space around it.

    Raises:
        UnsafeFileError: others than the owner of the file can read it.
        InputMissingError: there is no such file, or it is a folder.
        DataError: the file has no token.
    """
    if path.is_dir():
        raise InputMissingError(f"{path}: is a folder; expected a file with a token")
    try:
        file = open_regular(path, follow_links=True)
    except FileNotFoundError as error:
        raise InputMissingError(
            f"{path}: no such file; make one: (umask 077; openssl rand -hex 32 > {path})"
        ) from error
    with file:
        # The mode of the file that is read, not of another one that has its name by now.
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        if mode & 0o077:
            raise UnsafeFileError(
                f"{path}: others can read it (mode {mode:03o}); `chmod 600 {path}` keeps it secret"
            )
        token = file.read(LONGEST_TOKEN + 2).strip()
    if not SHORTEST_TOKEN <= len(token) <= LONGEST_TOKEN or not all(33 <= byte <= 126 for byte in token):
        raise DataError(
            f"{path}: expected a token of {SHORTEST_TOKEN} to {LONGEST_TOKEN} visible ASCII characters, such as "
            "`openssl rand -hex 32` prints"
        )
    return token


def is_loopback(host: str) -> bool:
    """Whether an address, as a socket has it, is reached from this machine alone.

    Raises:
        ValueError: it is no address.
    """
    address = ipaddress.ip_address(host.partition("%")[0])
    # An IPv4 address inside an IPv6 one, such as ::ffff:127.0.0.1.
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


class Access:
    """Decides who may ask.

    Args:
        token: the token; None: nobody needs one.
        only_loopback: whether requests to other names than `localhost` and loopback addresses are refused.
            Otherwise a page of another host could have its name resolve to 127.0.0.1, and read what the server
            answers.
    """

    def __init__(self, token: bytes | None, *, only_loopback: bool) -> None:
        self._token = token
        self._only_loopback = only_loopback and token is None

    @property
    def needs_token(self) -> bool:
        """Whether a token is asked for."""
        return self._token is not None

    def allows_host(self, header: str) -> bool:
        """Whether a server with this header Host may be asked."""
        if not self._only_loopback:
            return True
        name = header.strip().lower()
        name = name[1:].partition("]")[0] if name.startswith("[") else name.partition(":")[0]
        if name == "localhost":
            return True
        try:
            # An address, unlike a name, cannot lead elsewhere.
            return is_loopback(name)
        except ValueError:
            return False

    def allows(self, authorization: str) -> bool:
        """Whether a header Authorization has the token. The time of the comparison does not depend on it."""
        if self._token is None:
            return True
        scheme, _, given = authorization.partition(" ")
        # HTTP headers are bytes, which the server reads as Latin-1.
        is_equal = hmac.compare_digest(given.strip().encode("latin-1", "replace"), self._token)
        return scheme.lower() == "bearer" and is_equal
