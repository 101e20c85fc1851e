"""The lines that a prepared corpus holds out for validation."""

import logging

import pytest
from folders import contents
from streams_of_ids import sentences

from lmctl.corpus import preparation
from lmctl.corpus.counts import SplitCounts
from lmctl.corpus.holding_out import line_is_valid
from lmctl.corpus.prepared import SharedLines
from lmctl.errors import DataError


@pytest.mark.parametrize(("fraction", "valid"), [(0.79, False), (0.80, True), (0.0, False), (1.0, True)])
def test_a_line_validates_by_its_crc_32(fraction, valid):
    # The check value of CRC-32 (ISO 3309): 0xCBF43926 of "123456789", 0.797 of the whole range.
    assert line_is_valid("123456789", fraction) is valid


def test_no_line_validates_if_the_share_is_0():
    # The CRC-32 of no bytes is 0, the least.
    assert not line_is_valid("", 0.0)


def lines(first, last):
    return "".join(f"line number {number}\n" for number in range(first, last))


def test_a_fraction_of_the_lines_validates(tmp_path, prepare):
    corpus = prepare(tmp_path, lines(0, 2_000), fraction=0.1)

    # 2,000 draws: the standard deviation is 13.
    assert corpus.record.valid.sentences == pytest.approx(200, abs=50)
    assert corpus.record.train.sentences + corpus.record.valid.sentences == 2_000
    assert all(line_is_valid(line, 0.1) for line in sentences(corpus, corpus.valid) if "<unk>" not in line)
    assert not any(line_is_valid(line, 0.1) for line in sentences(corpus, corpus.train))


def test_of_a_text_that_is_one_line_parts_validate(tmp_path, prepare):
    text = " ".join(map(str, range(20_000)))

    corpus = prepare(tmp_path, text + "\n", fraction=0.2, words=text.split())

    held_out, kept = (" ".join(sentences(corpus, stream)).split() for stream in (corpus.valid, corpus.train))
    assert sorted(held_out + kept, key=int) == text.split()
    # 106 parts of 1,024 characters: the standard deviation of the share is 0.04.
    assert len(held_out) / 20_000 == pytest.approx(0.2, abs=0.15)


def test_a_line_stays_in_its_split_when_the_corpus_grows(tmp_path, prepare):
    words = (*map(str, range(3_000)), "line", "number")
    small = prepare(tmp_path / "small", lines(0, 1_000), fraction=0.2, words=words)
    large = prepare(
        tmp_path / "large", lines(1_000, 2_000), lines(0, 1_000), lines(500, 3_000), fraction=0.2, words=words
    )
    splits = {
        name: [set(sentences(corpus, stream)) for stream in (corpus.train, corpus.valid)]
        for name, corpus in (("small", small), ("large", large))
    }

    assert splits["small"][0] < splits["large"][0]
    assert splits["small"][1] < splits["large"][1]
    assert not splits["large"][0] & splits["large"][1]
    assert large.record.train.sentences + large.record.valid.sentences == 4_500


@pytest.mark.parametrize("fraction", [0.2, 0.5])
@pytest.mark.parametrize("blank_lines", ["keep", "drop"])
def test_validation_lines_are_stored_as_they_were_read(tmp_path, prepare, fraction, blank_lines):
    # Every chunk starts with a blank line, which follows the last line of the one before.
    chunks = [f"\nLine NUMBER {number}  here\n\nLine NUMBER {number + 1}\n" for number in range(0, 600, 2)]
    words = (*map(str, range(600)), "line", "number", "here")

    corpus = prepare(tmp_path, *chunks, fraction=fraction, lowercase=True, blank_lines=blank_lines, words=words)

    held_out = corpus.valid_text.read_text().splitlines()
    assert [line.lower().split() for line in held_out] == [
        line.split() for line in sentences(corpus, corpus.valid)
    ]
    assert len(held_out) == corpus.record.valid.sentences > 50
    assert "Line NUMBER" in held_out[0] or not held_out[0]
    assert any("  here" in line for line in held_out)


def test_without_validation_its_text_is_empty(tmp_path, prepare):
    assert prepare(tmp_path, "a b\nc d\n").valid_text.read_bytes() == b""


def test_lines_keep_their_order(tmp_path, prepare):
    corpus = prepare(
        tmp_path, lines(0, 300), lines(300, 600), fraction=0.2, words=(*map(str, range(600)), "line", "number")
    )

    for stream in (corpus.train, corpus.valid):
        numbers = [int(line.split()[-1]) for line in sentences(corpus, stream)]
        assert numbers == sorted(numbers)


def test_with_too_little_to_validate_on_all_lines_train(tmp_path, prepare, caplog):
    corpus = prepare(tmp_path, lines(0, 100), fraction=0.05)

    assert corpus.record.train.sentences == 100
    assert corpus.record.valid == SplitCounts()
    assert corpus.valid.tolist() == []
    assert corpus.vocabulary.counts[1:4] == (100, 100, 100)
    (message,) = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert message == (
        "too little text to hold out 5 % for validation (300 words): training on all of it, with no early "
        "stopping. Name validation text with --valid FILE."
    )


HELD_OUT = next(number for number in range(400) if line_is_valid(f"line number {number}", 0.05))


@pytest.mark.parametrize(
    ("text", "fraction", "why"),
    [
        (
            "error: connection was refused\n" * 1_000,
            0.05,
            "too few lines to hold out 5 % for validation (4,000 words in 1 distinct line, and copies",
        ),
        (
            "".join(f"{'word ' * 400}{number}\n" for number in range(6)),
            0.05,
            "too few lines to hold out 5 % for validation (2,406 words in 6 distinct lines, and copies",
        ),
        (
            lines(0, 400) + f"line number {HELD_OUT}\n" * 1_000,
            0.05,
            "cannot hold out 5 % for validation: copies of a line stay together, so 3,060 of 4,200 words would",
        ),
        (lines(0, 500), 0.7, "cannot hold out 70 % for validation: more would validate than train"),
    ],
)
def test_too_little_text_is_said_of_too_little_text_alone(tmp_path, prepare, caplog, text, fraction, why):
    corpus = prepare(tmp_path, text, fraction=fraction)
    assert corpus.record.valid == SplitCounts()
    (message,) = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert message.startswith(why)
    assert ": training on all of it, with no early stopping" in message


@pytest.mark.parametrize(("fewest", "held_out"), [(-1, True), (0, True), (1, False)])
def test_as_many_words_as_the_threshold_are_held_out(tmp_path, prepare, monkeypatch, fewest, held_out):
    words = sum(3 for number in range(1_000) if line_is_valid(f"line number {number}", 0.2))
    monkeypatch.setattr(preparation, "FEWEST_VALID_WORDS", words + fewest)
    corpus = prepare(tmp_path, lines(0, 1_000), fraction=0.2)

    assert corpus.record.valid.words == (words if held_out else 0)


def test_more_is_never_held_out_than_trained_on(tmp_path, prepare, caplog):
    corpus = prepare(tmp_path, lines(0, 500), fraction=0.7)

    assert (corpus.record.train.sentences, corpus.record.valid.sentences) == (500, 0)
    assert "more would validate than train" in caplog.text


def test_a_text_of_its_own_is_held_out_however_small(tmp_path, prepare, caplog):
    corpus = prepare(tmp_path, "the cat\n", valid="cat\n")

    assert sentences(corpus, corpus.train) == ["the cat"]
    assert sentences(corpus, corpus.valid) == ["cat"]
    assert "too little" not in caplog.text


@pytest.mark.parametrize("valid", ["", "\n \n"])
def test_a_validation_text_without_words_is_refused_before_anything_is_written(tmp_path, prepare, valid):
    prepare(tmp_path, "the old corpus\n")
    before = contents(tmp_path)

    with pytest.raises(DataError, match="held out: nothing to validate on"):
        prepare(tmp_path, "the new corpus\n", valid=valid)

    assert contents(tmp_path) == before


def test_lines_that_validate_and_train_are_counted(tmp_path, prepare, caplog):
    train = ["a b\n\n", "c d e\na b\n", "f\n"]
    with caplog.at_level(logging.INFO):
        corpus = prepare(tmp_path, *train, valid=" c d e\nnew line here\nf\na b c\n\nf\n", compare=True)

    # c d e and f twice; spaces in a line do not matter.
    assert corpus.record.shared == SharedLines(lines=3, words=5)
    assert any(
        message.startswith("3 of the 5 validation lines (45.5 % of the words) stand in the training text, too")
        for message in caplog.messages
    )


def test_a_small_overlap_of_two_texts_is_logged_at_level_info(tmp_path, prepare, caplog):
    with caplog.at_level(logging.INFO):
        corpus = prepare(tmp_path, "heading\n", valid=f"heading\n{'word ' * 10}\n", compare=True)
    assert corpus.record.shared == SharedLines(lines=1, words=1)
    assert [record.levelname for record in caplog.records if "stand in the training text" in record.message] == [
        "INFO"
    ]
    caplog.clear()
    prepare(tmp_path, "a\n", valid="b\n", compare=True)
    assert not any("stand in the training text" in message for message in caplog.messages)
