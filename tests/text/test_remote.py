"""Texts at addresses: the same bytes as of a file, or an error of one line; never a part."""

import gzip
import sys

import pytest
from ports import reserved_addresses
from web_texts import Page, serving_texts

from lmctl.errors import InputMissingError, StorageError, UnavailableError, UsageError
from lmctl.text import addresses, file_systems, remote
from lmctl.text.addresses import known_name
from lmctl.text.remote_errors import failure
from lmctl.text.sampling import SampledSources
from lmctl.text.sources import (
    can_seek,
    check_sources,
    identity,
    read_pieces,
    recorded_name,
    size_of_text,
    stored_bytes,
)
from lmctl.text.spooling import Spool

fsspec = pytest.importorskip("fsspec")
pytest.importorskip("aiohttp")

TEXT = b"".join(b"line %d of the text .\n" % number for number in range(200_000))


@pytest.fixture(autouse=True)
def _nothing_known(monkeypatch):
    monkeypatch.setattr(addresses, "_whole", {})
    monkeypatch.setattr(remote, "_found", {})
    # No variable of this machine decides what a test sees.
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def web():
    with serving_texts() as texts:
        yield texts


@pytest.fixture
def memory():
    system = fsspec.filesystem("memory")
    system.store.clear()
    yield system
    system.store.clear()


def read(address):
    return b"".join(read_pieces(address, address))


@pytest.mark.parametrize(
    "page",
    [
        Page(TEXT),
        Page(TEXT, ranges=False),
        Page(TEXT, length="chunked"),
        Page(TEXT, etag='"1"'),
        # As of an address that is signed for GET alone.
        Page(TEXT, status_of_head=403),
        Page(b""),
        Page(gzip.compress(TEXT)),
        Page(gzip.compress(TEXT), ranges=False),
    ],
    ids=["ranges", "no ranges", "chunked", "etag", "no head", "empty", "gzip", "gzip without ranges"],
)
def test_a_text_of_a_web_server_has_the_bytes_of_the_file(web, page):
    web.pages["/text.txt"] = page
    address = f"{web.url}/text.txt"
    content = gzip.decompress(page.content) if page.content[:2] == b"\x1f\x8b" else page.content

    check_sources([address])

    assert read(address) == content


@pytest.mark.parametrize(
    ("page", "message"),
    [
        (Page(TEXT, cut_after=3_000_000), "cut off after "),
        (Page(TEXT, cut_after=10), "cut off after "),
        (Page(TEXT, cut_after=0), "cut off after 0 of 5,088,890 bytes"),
        (Page(TEXT, length="chunked", cut_after=3_000_000), "cut off after "),
        (Page(TEXT, length="unknown"), "the server states no length"),
        (Page(TEXT, length="unknown", cut_after=3_000_000), "the server states no length"),
        (Page(gzip.compress(TEXT), cut_after=10_000), "cut off after "),
    ],
)
def test_a_text_that_is_cut_off_is_an_error(web, page, message):
    assert len(TEXT) == 5_088_890
    web.pages["/text.txt"] = page

    with pytest.raises(StorageError, match=f"{web.url}/text.txt: {message}"):
        read(f"{web.url}/text.txt")


def test_bytes_are_counted_even_if_the_package_counts_none(memory, monkeypatch):
    memory.pipe_file("/text.txt", TEXT)
    opened = memory.open

    def cut(*arguments, **options):
        file = opened(*arguments, **options)
        reads = file.read
        file.read = lambda length: reads(length) if file.tell() < 2_000_000 else b""
        return file

    monkeypatch.setattr(memory, "open", cut)
    with pytest.raises(
        StorageError, match=r"memory://text.txt: cut off after 2,097,152 of 5,088,890 bytes; run the"
    ):
        read("memory://text.txt")


def test_a_text_that_is_replaced_while_it_is_read_is_an_error(memory, monkeypatch):
    memory.pipe_file("/text.txt", TEXT)
    info, versions = memory.info, iter(["a", "b"])
    monkeypatch.setattr(memory, "info", lambda path: {**info(path), "ETag": next(versions)})

    with pytest.raises(StorageError, match=r"memory://text\.txt: was replaced while it was read; run the command"):
        read("memory://text.txt")


@pytest.mark.parametrize(
    ("page", "kind", "message"),
    [
        (Page(b"", status=404), InputMissingError, "no such file"),
        (Page(b"", status=410), InputMissingError, "no such file"),
        (Page(b"", status=401), StorageError, "access is denied (401, "),
        (Page(b"", status=403), StorageError, "access is denied (403, "),
        (Page(b"", status=429), UnavailableError, "the store does not answer (429, "),
        (Page(b"", status=503), UnavailableError, "the store does not answer (503, "),
        (Page(b"", status=418), StorageError, "cannot be read: 418, "),
    ],
)
def test_the_answer_of_a_server_decides_the_error(web, page, kind, message):
    web.pages["/a.txt"] = page
    with pytest.raises(kind) as raised:
        check_sources([f"{web.url}/a.txt"])
    assert str(raised.value).startswith(f"{web.url}/a.txt: {message}")
    assert "\n" not in str(raised.value)


def test_a_server_that_is_not_there_does_not_answer():
    with (
        reserved_addresses(1) as (address,),
        pytest.raises(UnavailableError, match=f"http://{address}/a.txt: the store does not answer"),
    ):
        check_sources([f"http://{address}/a.txt"])


def test_a_server_that_falls_silent_is_not_waited_for(web, monkeypatch):
    monkeypatch.setattr(file_systems, "SILENCE_SECONDS", 0.1)
    web.pages["/a.txt"] = Page(TEXT, silent=True)

    with pytest.raises(UnavailableError, match="the store does not answer"):
        check_sources([f"{web.url}/a.txt"])


def test_the_password_is_sent_and_never_shown(web):
    web.pages["/a.txt"] = Page(b"text\n", authorization="Basic dXNlcjpwdw==")
    name = known_name(f"{web.url.replace('//', '//user:pw@')}/a.txt?X-Amz-Credential=A%2Fb&sig=secret")

    assert name == f"{web.url}/a.txt"
    assert read(name) == b"text\n"
    # An address with escapes is sent as it is.
    assert web.requests[-1][1] == "/a.txt?X-Amz-Credential=A%2Fb&sig=secret"
    web.pages["/a.txt"].authorization = "Basic other"
    with pytest.raises(StorageError) as raised:
        read(name)
    assert str(raised.value).startswith(f"{web.url}/a.txt: access is denied")
    assert not any(secret in str(raised.value) for secret in ("user", "pw", "sig"))
    # Python would print the cause, which has the whole address, in a trace.
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__


@pytest.mark.parametrize(
    ("address", "kind", "message"),
    [
        ("memory://missing.txt", InputMissingError, "no such file"),
        ("memory://folder", InputMissingError, "is a folder; expected a text file"),
        ("memory://*.txt", InputMissingError, "no such file; patterns are not expanded in addresses"),
        ("nosuch://a", UsageError, "fsspec knows no protocol 'nosuch'; expected one such as s3, gs, hf or https"),
    ],
)
def test_what_is_no_text_is_refused(memory, address, kind, message):
    memory.pipe_file("/folder/a.txt", b"a\n")
    with pytest.raises(kind) as raised:
        check_sources([address])
    assert str(raised.value).startswith(f"{address}: {message}")


def test_sizes_are_known_for_progress_and_for_the_disk(memory, web):
    memory.pipe_file("/a.txt", TEXT)
    memory.pipe_file("/a.gz", gzip.compress(TEXT))
    web.pages["/a.txt"], web.pages["/b.txt"] = Page(TEXT), Page(TEXT, ranges=False)
    web.pages["/c.txt"] = Page(TEXT, length="chunked")

    assert size_of_text("memory://a.txt") == size_of_text(f"{web.url}/a.txt") == len(TEXT)
    assert size_of_text("memory://a.gz") is size_of_text("memory://missing") is None
    assert stored_bytes("memory://a.gz") == len(gzip.compress(TEXT))
    assert stored_bytes(f"{web.url}/b.txt") == len(TEXT)
    assert stored_bytes(f"{web.url}/c.txt") == 0


@pytest.mark.parametrize(
    "text", [TEXT, TEXT[:1000], gzip.compress(TEXT), b""], ids=["long", "short", "gzip", "empty"]
)
def test_the_sample_is_that_of_the_file(memory, web, tmp_path, text):
    memory.pipe_file("/a.txt", text)
    web.pages["/a.txt"] = Page(text)
    (tmp_path / "a.txt").write_bytes(text)
    of_file = SampledSources([str(tmp_path / "a.txt")], "utf-8").text()

    assert SampledSources(["memory://a.txt"], "utf-8").text() == of_file
    assert SampledSources([f"{web.url}/a.txt"], "utf-8").text() == of_file


def test_a_server_that_sends_a_text_only_from_its_start_sends_it_once(web):
    web.pages["/a.txt"] = Page(TEXT, ranges=False)
    address = f"{web.url}/a.txt"
    assert not can_seek(address)

    sampled = SampledSources([address], "utf-8")
    content = b"".join(sampled.pieces(address, address))

    assert content == TEXT
    assert web.downloads("/a.txt") == 1


def test_a_text_is_read_twice_without_a_copy(memory):
    memory.pipe_file("/a.txt", TEXT)
    with Spool(read_pieces) as spool:
        assert b"".join(spool.read("memory://a.txt", "a")) == b"".join(spool.read("memory://a.txt", "a")) == TEXT
        assert not spool._kept


def test_two_names_of_a_text_are_the_same(memory, tmp_path):
    memory.pipe_file("/a.txt", b"a\n")
    (tmp_path / "a.txt").write_bytes(b"a\n")

    assert identity("memory://a.txt") == identity("memory:///a.txt") is not None
    assert identity(f"file://{tmp_path}/a.txt") == identity(str(tmp_path / "a.txt")) is not None
    assert identity("memory://missing") is None
    assert recorded_name("memory://a.txt") == "memory://a.txt"
    assert recorded_name(f"file://{tmp_path}/a.txt") == str(tmp_path / "a.txt")


def test_texts_with_the_same_path_in_two_accounts_are_two(monkeypatch):
    class Accounts(type(fsspec.filesystem("memory"))):
        """A store whose addresses have the account in place of the host, as those of Azure have."""

        protocol = "accounts"
        store, pseudo_dirs = {"/a.txt": None}, [""]

        def __init__(self, account):
            super().__init__()
            self.account = account

        @staticmethod
        def _get_kwargs_from_urls(address):
            return {"account": address.partition("://")[2].partition("/")[0]}

        @classmethod
        def _strip_protocol(cls, path):
            return "/" + path.rpartition("/")[2]

        def info(self, path):
            return {"name": path, "size": 1, "type": "file"}

    monkeypatch.setitem(sys.modules["fsspec.registry"]._registry, "accounts", Accounts)

    assert identity("accounts://one/a.txt") != identity("accounts://two/a.txt") is not None
    assert identity("accounts://one/a.txt") == identity("accounts://one/../one/a.txt") is not None


def test_the_fingerprint_is_of_the_statement_of_the_store_if_it_is_certain(web):
    web.pages["/a.txt"] = Page(TEXT, etag='"1"')
    address = f"{web.url}/a.txt"
    first = remote.fingerprint(address)
    assert web.downloads("/a.txt") == 0
    assert remote.fingerprint(address) == first
    web.pages["/a.txt"].etag = '"2"'
    assert remote.fingerprint(address) != first


@pytest.mark.parametrize("etag", [None, 'W/"1"'])
def test_else_the_fingerprint_is_of_the_content(web, etag):
    web.pages["/a.txt"] = Page(TEXT, etag=etag)
    address = f"{web.url}/a.txt"
    first = remote.fingerprint(address)
    # sha256sum of the same bytes.
    assert first == (len(TEXT), "53fd4e0297b4ad4365ec64a4a7bef33c8842dae01c309bb62a63cfee8840b246")
    web.pages["/a.txt"] = Page(TEXT.replace(b"line 1 ", b"line 9 ", 1), etag=etag)
    assert remote.fingerprint(address)[0] == len(TEXT)
    assert remote.fingerprint(address) != first


def test_a_cache_of_the_user_is_not_trusted_to_be_the_text_that_the_store_describes():
    system = fsspec.filesystem("memory")
    system.pipe_file("/a.txt", b"a\n")
    remote.check("simplecache::memory://a.txt")
    assert remote._found["simplecache::memory://a.txt"].version is None
    assert read("simplecache::memory://a.txt") == b"a\n"


def test_a_lack_of_memory_is_not_taken_for_a_fault_of_the_store():
    with pytest.raises(MemoryError):
        failure("s3://a/b", MemoryError())
