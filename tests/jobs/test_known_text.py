"""`prepare`: how much of a text the model that training starts from was trained on."""

import gzip

import pytest
from preparing import config

from lmctl.jobs import prepare as job
from lmctl.jobs.prepare import prepare

LINES = [f"line {number} of the text\n" for number in range(12)]


@pytest.fixture
def known(tmp_path, write):
    """`known(old, new)`: the known and all sentences of each new text. Texts are contents by name."""

    def measure(old, new, **keys):
        before = prepare([write(*named) for named in old.items()], tmp_path / "old", config(**keys), jobs=1)
        after = prepare(
            [write(*named) for named in new.items()],
            tmp_path / "new",
            config(**keys),
            jobs=1,
            old_sources=before.record.sources,
        )
        return [(source.known_sentences, source.sentences) for source in after.record.sources]

    return measure


def text(first, stop):
    return "".join(LINES[first:stop])


@pytest.mark.parametrize("chunk_bytes", [1, 50, 1 << 20])
def test_a_text_that_has_grown_begins_with_the_old_one(known, monkeypatch, chunk_bytes):
    monkeypatch.setattr(job, "CHUNK_BYTES", chunk_bytes)

    assert known({"a": text(0, 5)}, {"a": text(0, 9)}) == [(5, 9)]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({"a": text(0, 5)}, {"a": text(0, 5)}, [(5, 5)]),
        ({"a": text(0, 5)}, {"moved": text(0, 6)}, [(5, 6)]),
        ({"a": text(0, 5)}, {"a": text(1, 9)}, [(0, 8)]),
        ({"a": text(0, 5)}, {"a": text(0, 4)}, [(0, 4)]),
        ({"a": text(0, 5)}, {"a": text(0, 5), "b": text(5, 7)}, [(5, 5), (0, 2)]),
        # A window of two days.
        (
            {"1": text(0, 3), "2": text(3, 5)},
            {"2": text(3, 5), "3": text(5, 9)},
            [(2, 2), (0, 4)],
        ),
        # Two old texts may begin alike; the longer one counts.
        ({"a": text(0, 2), "b": text(0, 6)}, {"c": text(0, 8)}, [(6, 8)]),
        ({"a": text(0, 5).rstrip()}, {"a": text(0, 5).rstrip() + " went on\n" + text(5, 6)}, [(5, 6)]),
    ],
    ids=["unchanged", "renamed", "changed", "cut", "new file", "window", "two beginnings", "unfinished line"],
)
def test_old_text_is_recognised_by_its_content(known, old, new, expected):
    assert known(old, new) == expected


def test_held_out_lines_are_not_counted(known):
    many = [f"{number} {number % 7} words of a line\n" for number in range(400)]
    old, new = "".join(many[:300]), "".join(many)

    ((known_sentences, sentences),) = known({"a": old}, {"a": new}, fraction=0.2)

    # Which lines are held out does not depend on the other lines.
    ((_, before),) = known({"a": old}, {"a": old}, fraction=0.2)
    assert known_sentences == before
    assert 300 * 0.7 < known_sentences < 300 * 0.9
    assert sentences < 400 * 0.9


def test_a_compressed_text_is_recognised_by_its_decompressed_bytes(tmp_path, write):
    before = prepare([write("a", text(0, 5))], tmp_path / "old", config(), jobs=1)
    compressed = tmp_path / "a.gz"
    compressed.write_bytes(gzip.compress(text(0, 9).encode()))

    after = prepare([str(compressed)], tmp_path / "new", config(), jobs=1, old_sources=before.record.sources)

    (source,) = after.record.sources
    assert (source.known_sentences, source.sentences) == (5, 9)


def test_a_validation_text_has_no_known_sentences(tmp_path, write):
    valid = write("valid", text(9, 12))
    before = prepare([write("a", text(0, 5)), valid], tmp_path / "old", config(), jobs=1)

    after = prepare(
        [write("a", text(0, 5))],
        tmp_path / "new",
        config(file=valid),
        jobs=1,
        old_sources=before.record.sources,
    )

    assert [(source.split, source.known_sentences, source.sentences) for source in after.record.sources] == [
        ("train", 5, 5),
        ("valid", 0, 3),
    ]
