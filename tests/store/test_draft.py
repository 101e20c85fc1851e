import shutil

import msgspec
import numpy as np
import pytest

from lmctl.config import Config
from lmctl.errors import DataError
from lmctl.families.lstm.config import LSTMConfig
from lmctl.families.mixture.sizes import MixtureSizes
from lmctl.store.bundle import open_bundle
from lmctl.store.draft import Draft, TextFiles
from lmctl.store.verification import verify_bundle


@pytest.fixture
def text(sound):
    return TextFiles.of_bundle(open_bundle(sound))


def test_a_draft_of_the_parts_of_a_bundle_is_the_same_bundle(sound, text, tmp_path):
    opened = open_bundle(sound)
    draft = Draft(
        text,
        opened.sizes,
        opened.config(),
        corpus=opened.record.corpus,
        training=opened.record.training,
        metrics=opened.metrics(),
        weights=opened.weights(),
        history=opened.history(),
    )

    written = draft.write(tmp_path / "bundle")

    assert written.record.files.keys() == opened.record.files.keys()
    # JSON is spaced otherwise by make_bundle.
    assert written.metrics() == opened.metrics() == {"valid": None, "train": {"perplexity": 9.5}}
    assert written.history() == opened.history() == [{"epoch": 1, "train_perplexity": 9.5}]
    for name in opened.record.files.keys() - {"metrics.json", "history.jsonl"}:
        assert written.read(name) == opened.read(name), name
    without_hashes = {"files": {}, "sha256": ""}
    assert msgspec.structs.replace(written.record, **without_hashes) == msgspec.structs.replace(
        opened.record, **without_hashes
    )


def test_a_draft_has_the_files_of_its_parts_and_no_others(sound, text, tmp_path):
    folder = tmp_path / "bundle"
    folder.mkdir()
    (folder / "table.npy").write_bytes(b"written before")
    config = Config(model=LSTMConfig(layers=3))

    written = Draft(text, open_bundle(sound).sizes, config, tables=["table.npy"]).write(folder)

    assert list(written.record.files) == [
        *("characters.tsv", "config.yaml", "metrics.json", "stop_words.txt", "table.npy", "vocabulary.tsv"),
    ]
    assert written.check("table.npy") == folder / "table.npy"
    assert written.read("metrics.json") == b'{\n  "valid": null\n}\n'
    assert written.config() == config
    assert (written.record.members, written.record.training, written.record.corpus) == (0, None, None)


def test_members_are_counted_in_the_record_and_sealed_by_the_hash_of_their_own(sound, text, tmp_path):
    for number in range(2):
        shutil.copytree(sound, tmp_path / f"members/{number}")
    sizes = MixtureSizes(vocabulary_size=9, weights=[0.25, 0.75])

    written = Draft(text, sizes, b"{}\n", members=2).write(tmp_path)

    assert written.record.members == 2
    assert [member.folder for member in written.members()] == [tmp_path / "members/0", tmp_path / "members/1"]
    # 344 numbers each: see test_bundle.py.
    assert verify_bundle(tmp_path).parameters() == 688
    weights = tmp_path / "members/1/weights.safetensors"
    weights.write_bytes(np.zeros(weights.stat().st_size, dtype=np.uint8).tobytes())
    with pytest.raises(DataError, match=r"members/1/weights\.safetensors: damaged"):
        verify_bundle(tmp_path)
