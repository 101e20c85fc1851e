"""Which package reads an address, and what is said if it is missing."""

import sys

import pytest

from lmctl.errors import MissingExtraError, UsageError
from lmctl.text import addresses
from lmctl.text.addresses import known_name
from lmctl.text.sources import check_sources

pytest.importorskip("fsspec")
pytest.importorskip("aiohttp")


@pytest.fixture(autouse=True)
def _nothing_kept(monkeypatch):
    monkeypatch.setattr(addresses, "_whole", {})


@pytest.mark.parametrize(
    ("module", "protocol", "package"),
    [("s3fs", "s3", "s3fs"), ("gcsfs", "gs", "gcsfs"), ("huggingface_hub", "hf", "huggingface_hub")],
)
def test_the_message_names_the_package_that_is_missing(monkeypatch, module, protocol, package):
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.delitem(sys.modules["fsspec.registry"]._registry, protocol, raising=False)
    with pytest.raises(MissingExtraError) as raised:
        check_sources([f"{protocol}://a/b.txt"])
    assert str(raised.value) == (
        f"{protocol}://a/b.txt: {protocol}:// is read with the package {package}, which is not installed: "
        f"pip install {package}"
    )


@pytest.mark.parametrize(
    ("module", "address", "message"),
    [
        (
            "smbclient",
            "smb://h/a",
            "smb:// is read with the package smbprotocol, which is not installed: pip install",
        ),
        (
            "libarchive",
            "libarchive://a::memory://b",
            "it is read with the package libarchive-c, which is not inst",
        ),
        (
            "paramiko",
            "sftp://h/a",
            "sftp:// is read with the package paramiko, which is not installed: pip install",
        ),
    ],
)
def test_the_message_names_the_package_and_not_its_module(monkeypatch, module, address, message):
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.delitem(sys.modules["fsspec.registry"]._registry, address.partition(":")[0], raising=False)
    with pytest.raises(MissingExtraError) as raised:
        check_sources([address])
    assert str(raised.value).startswith(f"{address}: {message}")


def test_an_address_that_cannot_be_is_not_called_a_missing_file():
    with pytest.raises(
        UsageError, match=r"^https://127\.0\.0\.1:99999/a: no valid address; check the host, the port"
    ):
        check_sources([known_name("https://u:secret@127.0.0.1:99999/a")])


def test_without_fsspec_the_message_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(
        MissingExtraError, match=r"s3://a/b: an address.*pip install 'lmctl\[remote\]'.*\./s3://a/b"
    ):
        check_sources(["s3://a/b"])
