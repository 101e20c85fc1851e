"""Texts in S3: the corpus of the file, also on a cluster; never a part of a text."""

import gzip
import logging

import pytest
from ports import reserved_addresses
from s3_store import BUCKET, CREDENTIALS, serving_s3
from web_texts import Page, serving_texts

from lmctl.config import read_settings
from lmctl.errors import InputMissingError, StorageError, UnavailableError
from lmctl.jobs import prepare as module
from lmctl.jobs.prepare import prepare
from lmctl.text import remote
from lmctl.text.sources import read_pieces
from lmctl.version import package_folder

s3fs = pytest.importorskip("s3fs")
pytest.importorskip("moto")
pytest.importorskip("flask_cors")

TEXT = (package_folder() / "corpora" / "en.txt").read_bytes()


@pytest.fixture(scope="module")
def s3():
    """The URL of a store with `en.txt` and `en.txt.gz`."""
    with serving_s3({"en.txt": TEXT, "texts/en.txt.gz": gzip.compress(TEXT)}) as url:
        yield url


@pytest.fixture(autouse=True)
def use(monkeypatch):
    """`use(url)`: the store that s3:// means, with the credentials."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(remote, "_found", {})

    def choose(url):
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        s3fs.S3FileSystem.clear_instance_cache()

    yield choose
    s3fs.S3FileSystem.clear_instance_cache()


def _config():
    return read_settings((), (), {"text.segmenter": "words"}).resolve()


def _content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "lock"}


def _as_of(content, name, other):
    """The content of a corpus whose text has another name."""
    assert name.encode() in content["corpus.json"]
    return content | {"corpus.json": content["corpus.json"].replace(name.encode(), other.encode())}


@pytest.mark.parametrize("key", ["en.txt", "texts/en.txt.gz"])
@pytest.mark.parametrize(
    "way", [{"jobs": 1}, {"jobs": 2}, {"scheduler": "local:2"}], ids=["one", "two", "cluster"]
)
def test_the_corpus_is_that_of_the_file(s3, use, tmp_path, monkeypatch, key, way):
    if "scheduler" in way:
        pytest.importorskip("distributed")
    monkeypatch.setattr(module, "CHUNK_BYTES", 1 << 11)
    use(s3)
    (tmp_path / "en.txt").write_bytes(TEXT)
    prepare([str(tmp_path / "en.txt")], tmp_path / "of-file", _config(), jobs=1)

    prepare([f"s3://{BUCKET}/{key}"], tmp_path / "of-s3", _config(), **way)

    expected = _as_of(_content(tmp_path / "of-file"), str(tmp_path / "en.txt"), f"s3://{BUCKET}/{key}")
    assert _content(tmp_path / "of-s3") == expected


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (f"{BUCKET}/none.txt", "no such file"),
        ("no-bucket/en.txt", "no such file"),
        (f"{BUCKET}/texts", "is a folder; expected a text file"),
        (BUCKET, "is a folder; expected a text file"),
    ],
)
def test_what_is_no_object_is_refused_before_anything_is_written(s3, use, tmp_path, name, message):
    use(s3)
    with pytest.raises(InputMissingError, match=f"^s3://{name}: {message}"):
        prepare([f"s3://{name}"], tmp_path / "corpus", _config())
    assert not (tmp_path / "corpus").exists()


def test_without_credentials_the_message_says_so(s3, use, tmp_path, monkeypatch):
    use(s3)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(StorageError, match=f"^s3://{BUCKET}/en.txt: no credentials"):
        prepare([f"s3://{BUCKET}/en.txt"], tmp_path / "corpus", _config())


def test_the_same_object_under_both_protocols_counts_twice_with_a_warning(s3, use, tmp_path, caplog):
    use(s3)
    with caplog.at_level(logging.WARNING):
        prepare([f"s3://{BUCKET}/en.txt", f"s3a://{BUCKET}/en.txt"], tmp_path / "corpus", _config())
    assert (
        f"s3a://{BUCKET}/en.txt is named twice, once as s3://{BUCKET}/en.txt: its text counts twice" in caplog.text
    )


def test_an_object_that_is_replaced_while_it_is_read_is_an_error(s3, use, monkeypatch):
    use(s3)
    monkeypatch.setattr(remote, "_REQUEST_BYTES", 1000)
    monkeypatch.setattr(remote, "_PIECE_BYTES", 1000)
    writer = s3fs.S3FileSystem()
    writer.pipe_file(f"{BUCKET}/new.txt", b"old\n" * 10_000)
    pieces = read_pieces(f"s3://{BUCKET}/new.txt", "new.txt")
    next(pieces)

    writer.pipe_file(f"{BUCKET}/new.txt", b"new\n" * 10_000)

    with pytest.raises(StorageError, match=f"^s3://{BUCKET}/new.txt: was replaced while it was read"):
        list(pieces)


@pytest.mark.slow
def test_an_object_that_stays_cut_off_after_all_retries_leaves_no_corpus(use, tmp_path):
    with serving_texts() as web:
        web.pages[f"/{BUCKET}/en.txt"] = Page(TEXT, etag='"1"', cut_after=100)
        use(web.url)
        with pytest.raises(StorageError, match=f"^s3://{BUCKET}/en.txt: cut off after 0 of "):
            prepare([f"s3://{BUCKET}/en.txt"], tmp_path / "corpus", _config())
        assert len([asked for _, _, asked in web.requests if asked]) > 1
    assert not (tmp_path / "corpus" / "corpus.json").exists()


@pytest.mark.slow
def test_a_store_that_is_not_there_does_not_answer(use, tmp_path):
    with reserved_addresses(1) as (address,):
        use(f"http://{address}")
        with pytest.raises(UnavailableError, match=f"^s3://{BUCKET}/en.txt: the store does not answer"):
            prepare([f"s3://{BUCKET}/en.txt"], tmp_path / "corpus", _config())
