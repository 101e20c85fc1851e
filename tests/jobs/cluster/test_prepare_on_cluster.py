"""Texts prepared on a cluster: the corpus has the bytes that one process writes, also if workers are killed."""

from __future__ import annotations

import pytest

from lmctl.config import read_settings
from lmctl.errors import DataError, UsageError
from lmctl.jobs import prepare as module
from lmctl.jobs.cluster import addresses
from lmctl.jobs.prepare import prepare
from lmctl.version import package_folder

CORPORA = package_folder() / "corpora"


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch):
    monkeypatch.setattr(module, "CHUNK_BYTES", 1 << 11)


def _content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "lock"}


@pytest.mark.parametrize("text", ["en.txt", "zh.txt"])
def test_the_corpus_has_the_bytes_of_one_process(address, tmp_path, monkeypatch, text):
    config = read_settings((), (), {"text.segmenter": "words"}).resolve()
    prepare([str(CORPORA / text)], tmp_path / "one", config, jobs=1)
    # Workers have another current folder.
    monkeypatch.chdir(tmp_path)

    prepare([str(CORPORA / text)], (tmp_path / "many").relative_to(tmp_path), config, scheduler=address)

    assert _content(tmp_path / "many") == _content(tmp_path / "one")


def test_bad_text_is_reported_as_by_one_process(address, tmp_path):
    text = tmp_path / "text.txt"
    text.write_bytes(b"a line\n" * 1000 + b"\xff\n")

    with pytest.raises(DataError, match=r"text\.txt: line 1001"):
        prepare([str(text)], tmp_path / "corpus", read_settings((), (), {}).resolve(), scheduler=address)

    assert not (tmp_path / "corpus" / "corpus.json").exists()


@pytest.mark.parametrize(
    "name",
    ["host", "host:8786", "tcp://host", "tcp://host:0", "tcp://host:65536", "http://host:80", "local:", "local:0"],
)
def test_a_name_that_names_no_cluster_is_refused(tmp_path, name):
    with pytest.raises(UsageError, match="not the name of a cluster; expected the address of a Dask scheduler"):
        prepare(
            [str(CORPORA / "en.txt")], tmp_path / "corpus", read_settings((), (), {}).resolve(), scheduler=name
        )
    assert not (tmp_path / "corpus").exists()


@pytest.mark.parametrize("name", ["tcp://host:8786", "tls://[::1]:1", "ws://10.0.0.1:65535/", "local:12"])
def test_names_of_clusters(name):
    assert addresses.check_scheduler(name) == (12 if name == "local:12" else None)
