import contextlib
import logging

import numpy as np
import pytest

from lmctl import files
from lmctl.corpus import choosing, preparation
from lmctl.corpus.choosing import VocabularyRules
from lmctl.corpus.chunks import SplitRules
from lmctl.corpus.holding_out import line_is_valid
from lmctl.corpus.preparation import prepare_corpus
from lmctl.corpus.prepared import NewWords, PreparedCorpus, SharedLines, SplitCounts
from lmctl.errors import DataError
from lmctl.text.normalization import Normalization
from lmctl.text.segmentation import SegmenterIdentity
from lmctl.text.source_chunks import SourceChunk
from lmctl.text.tokenization import Tokenizer

END = 1
FOUR_SENTENCES = "我爱编程。\n编程是一种艺术。\n艺术是人类创造的。\n创造是人类的天赋。\n"


def sentences(corpus, stream):
    """The words of each sentence of a stream."""
    stream = np.asarray(stream)
    parts = np.split(stream, np.flatnonzero(stream == END) + 1)
    assert len(parts[-1]) == 0
    return [" ".join(corpus.vocabulary.decode(part[:-1].tolist())) for part in parts[:-1]]


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def hold_out_however_little(monkeypatch):
    monkeypatch.setattr(preparation, "FEWEST_VALID_WORDS", 0)


def test_four_sentences_have_the_ids_and_counts_of_the_book(tmp_path, prepare):
    corpus = prepare(tmp_path, FOUR_SENTENCES, segmenter="jieba")

    # U+4EBA 人 < U+521B 创 < U+7684 的 < U+7F16 编 < U+827A 艺; U+4E00 一 < U+5929 天 < U+6211 我 < U+7231 爱
    assert corpus.vocabulary.words == (
        *("<unk>", "</s>", "。", "是"),
        *("人类", "创造", "的", "编程", "艺术"),
        *("一种", "天赋", "我", "爱"),
    )
    assert corpus.vocabulary.counts == (0, 4, 4, 3, 2, 2, 2, 2, 2, 1, 1, 1, 1)
    assert corpus.train.tolist() == [
        *(11, 12, 7, 2, END),
        *(7, 3, 9, 8, 2, END),
        *(8, 3, 4, 5, 6, 2, END),
        *(5, 3, 4, 6, 10, 2, END),
    ]
    assert corpus.valid.tolist() == []
    assert corpus.record.train == SplitCounts(sentences=4, words=21, oov=0, characters=5 + 8 + 9 + 9 + 4)
    assert corpus.record.train.tokens == 25
    assert corpus.record.valid == SplitCounts()
    assert corpus.characters.words == 21
    assert corpus.characters.counts["人"] == 2


def test_words_sentences_characters_and_unknown_words_are_counted(tmp_path, prepare):
    train = "the cat sat\n\nthe  dog\n"
    corpus = prepare(tmp_path, train, valid="the bird sang\nthe cat\n", min_count=2)

    assert corpus.vocabulary.words == ("<unk>", "</s>", "the")
    assert corpus.vocabulary.counts == (3, 2, 2)
    assert corpus.train.tolist() == [2, 0, 0, END, 2, 0, END]
    assert corpus.valid.tolist() == [2, 0, 0, END, 2, 0, END]
    # The line as it stands, its blanks and its end included: 11 + 1 and 8 + 1; 13 + 1 and 7 + 1.
    assert corpus.record.train == SplitCounts(sentences=2, words=5, oov=3, characters=21)
    assert corpus.record.valid == SplitCounts(sentences=2, words=5, oov=3, characters=22)
    assert corpus.record.valid.oov_rate == pytest.approx(3 / 5)


def test_characters_are_counted_after_normalization_and_before_segmentation(tmp_path, prepare):
    corpus = prepare(tmp_path, "Cafe\u0301 ﬁne\n", form="nfkc", lowercase=True, stop_words=["fine"])

    assert corpus.vocabulary.words == ("<unk>", "</s>", "café")
    assert corpus.record.train == SplitCounts(sentences=1, words=1, oov=0, characters=len("café fine") + 1)


def test_the_vocabulary_and_the_characters_come_from_the_training_text_alone(tmp_path, prepare):
    corpus = prepare(tmp_path, "a b\n", valid="c c c c\n")

    assert corpus.vocabulary.words == ("<unk>", "</s>", "a", "b")
    assert corpus.characters.counts == {"a": 1, "b": 1}


def test_literal_specials_are_unknown_words(tmp_path, prepare):
    corpus = prepare(tmp_path, "a <unk> </s> <s> a\n")

    assert corpus.vocabulary.words == ("<unk>", "</s>", "a")
    assert corpus.vocabulary.counts == (3, 1, 2)
    assert corpus.train.tolist() == [2, 0, 0, 0, 2, END]
    assert corpus.record.train.oov == 3
    assert corpus.characters.counts == {"a": 2}


@pytest.mark.parametrize("text", ["a b\nc", "a b\nc\n", "a b\r\nc\r\n"])
def test_the_last_line_may_lack_its_end(tmp_path, prepare, text):
    corpus = prepare(tmp_path, text)

    assert sentences(corpus, corpus.train) == ["a b", "c"]
    assert corpus.record.train.characters == 6


def test_a_fixed_vocabulary_is_ordered_by_the_counts_of_the_text(tmp_path, prepare):
    corpus = prepare(
        tmp_path, "the cat the rare dog\n", words=("rare", "never", "cat", "absent", "<unk>", "</s>", "the")
    )

    assert corpus.vocabulary.words == ("<unk>", "</s>", "the", "cat", "rare", "absent", "never")
    assert corpus.vocabulary.counts == (1, 1, 2, 1, 1, 0, 0)
    assert corpus.train.tolist() == [2, 3, 2, 4, 0, END]


OLD_WORDS = ("<unk>", "</s>", "the", "cat", "yak", "zebu")
GROWN_TEXT = "the dog the dog the gnu\na cat\n"


@pytest.mark.parametrize(
    ("rules", "chosen"),
    [
        ({}, "the cat"),
        ({"keep": True}, "the cat yak zebu"),
        ({"grow": True}, "the dog a cat gnu"),
        ({"grow": True, "size": 4}, "the dog"),
        ({"grow": True, "min_count": 2}, "the dog"),
        # The old words have four of the five places.
        ({"grow": True, "keep": True, "size": 7}, "the dog cat yak zebu"),
        ({"grow": True, "keep": True, "min_count": 2}, "the dog cat yak zebu"),
        ({"words": ("gnu",), "grow": True}, "gnu"),
    ],
)
def test_which_words_an_old_vocabulary_lets_in(tmp_path, prepare, rules, chosen):
    corpus = prepare(tmp_path, GROWN_TEXT, known=OLD_WORDS, **rules)

    assert " ".join(corpus.vocabulary.words[2:]) == chosen


def test_an_old_vocabulary_that_fills_the_new_one_is_warned_of(tmp_path, prepare, caplog):
    corpus = prepare(tmp_path, GROWN_TEXT, known=OLD_WORDS, grow=True, keep=True, size=6)

    assert corpus.vocabulary.words[2:] == ("the", "cat", "yak", "zebu")
    assert (
        "no new word enters: the 4 words of the old model, which are kept, fill vocabulary.size, 6" in caplog.text
    )


def test_the_words_that_an_old_model_does_not_know_are_named_and_counted(tmp_path, prepare, monkeypatch):
    monkeypatch.setattr(choosing, "NEW_WORDS_NAMED", 2)

    corpus = prepare(tmp_path, GROWN_TEXT, "<unk> ox emu\n", known=OLD_WORDS)

    # dog 2; a, gnu, <unk>, ox and emu 1 each.
    assert corpus.record.new_words == NewWords(oov=7, most_frequent=[("dog", 2), ("a", 1)])


def test_without_an_old_model_no_word_is_new(tmp_path, prepare):
    assert prepare(tmp_path, GROWN_TEXT).record.new_words is None


@pytest.mark.parametrize(("size", "known"), [(3, 1), (4, 2), (5, 3), (6, 3), (None, 3)])
def test_words_beyond_the_size_are_unknown(tmp_path, prepare, size, known):
    corpus = prepare(tmp_path, "a a a b b c\n", size=size)

    assert len(corpus.vocabulary) == 2 + known
    assert corpus.train.tolist() == [token if token < 2 + known else 0 for token in (2, 2, 2, 3, 3, 4)] + [END]


@pytest.mark.parametrize(("distinct_words", "dtype"), [(65_534, np.uint16), (65_535, np.uint32)])
def test_ids_take_two_bytes_up_to_65536_words(tmp_path, prepare, distinct_words, dtype):
    corpus = prepare(tmp_path, " ".join(f"{number:05}" for number in range(distinct_words)))

    assert len(corpus.vocabulary) == distinct_words + 2
    assert corpus.train.dtype == dtype
    # Each stands once, so ids rise with the words, and the last is the highest.
    assert corpus.train[-2] == distinct_words + 1
    assert (np.diff(corpus.train[:-1].astype(np.int64)) == 1).all()


@pytest.mark.parametrize("text", ["", "\n\n \n", "\u3000\n"])
def test_text_without_words_is_nothing_to_train_on(tmp_path, prepare, text):
    with pytest.raises(DataError, match="nothing to train on"):
        prepare(tmp_path, text, blank_lines="keep")

    assert list(tmp_path.iterdir()) == []


def test_an_empty_vocabulary_is_refused(tmp_path, prepare):
    with pytest.raises(DataError) as caught:
        prepare(tmp_path, "a a b b a <unk> <unk> <unk> <unk>\n", min_count=4)
    assert str(caught.value) == (
        "no word stands 4 times, so the vocabulary would be empty; the most frequent, 'a', stands 3 times: lower "
        "vocabulary.min_count to 3 or less"
    )


@pytest.mark.parametrize(
    ("text", "rules", "message"),
    [
        ("<unk> <unk> </s>\n", {}, "the text has no words but </s>, <s>, <unk>, which no model predicts"),
        ("a\n", {"words": ("<s>", "<unk>")}, "the fixed vocabulary has no words but </s>, <s>, <unk>"),
        (
            "a\n",
            {"known": OLD_WORDS},
            "no word of the text is in the vocabulary of the model that training starts",
        ),
        (
            "the\n",
            {"stop_words": ["the"]},
            "text: nothing to train on; the text has no words beside the stop words",
        ),
    ],
)
def test_why_there_is_no_vocabulary_is_said_as_it_is(tmp_path, prepare, text, rules, message):
    with pytest.raises(DataError, match=message):
        prepare(tmp_path, text, **rules)

    assert list(tmp_path.iterdir()) == []


# Validation -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("fraction", "valid"), [(0.79, False), (0.80, True), (0.0, False), (1.0, True)])
def test_a_line_validates_by_its_crc_32(fraction, valid):
    # The check value of CRC-32 (ISO 3309): 0xCBF43926 of "123456789", 0.797 of the whole range.
    assert line_is_valid("123456789", fraction) is valid


def lines(first, last):
    return "".join(f"line number {number}\n" for number in range(first, last))


def test_a_fraction_of_the_lines_validates(tmp_path, prepare):
    corpus = prepare(tmp_path, lines(0, 2_000), fraction=0.1)

    # 2,000 draws: the standard deviation is 13.
    assert corpus.record.valid.sentences == pytest.approx(200, abs=50)
    assert corpus.record.train.sentences + corpus.record.valid.sentences == 2_000
    assert all(line_is_valid(line, 0.1) for line in sentences(corpus, corpus.valid) if "<unk>" not in line)
    assert not any(line_is_valid(line, 0.1) for line in sentences(corpus, corpus.train))


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
def test_the_text_of_the_lines_that_validate_is_kept_as_it_came(tmp_path, prepare, fraction, blank_lines):
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


@pytest.mark.parametrize(("text", "said"), [("a b\n", True), ("a <unk> b\n", False)])
def test_of_a_training_text_without_unknown_words_it_is_said(tmp_path, prepare, caplog, text, said):
    caplog.set_level(logging.INFO, "lmctl")
    prepare(tmp_path, text)

    assert ("<unk> was never seen in training" in caplog.text) is said


# Blank lines ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("blank_lines", "expected", "counts"),
    [
        ("drop", ["a", "b"], SplitCounts(sentences=2, words=2, characters=4)),
        ("keep", ["", "a", "", "", "b", ""], SplitCounts(sentences=6, words=2, characters=10)),
    ],
)
def test_blank_lines_are_dropped_or_kept(tmp_path, prepare, blank_lines, expected, counts):
    # Six lines, one of two blanks: 0, 1, 0, 2, 1 and 0 characters and six line ends.
    corpus = prepare(tmp_path, "\na\n\n  \nb\n\n", blank_lines=blank_lines)

    assert sentences(corpus, corpus.train) == expected
    assert corpus.record.train == counts
    assert corpus.vocabulary.counts[1] == counts.sentences


def test_a_line_of_stop_words_is_a_blank_line(tmp_path, prepare):
    corpus = prepare(tmp_path, "the\na the b\n", stop_words=["the"])

    assert sentences(corpus, corpus.train) == ["a b"]


# At 0.25, "abc" validates (CRC-32 0x352441C2 is 0.208 of the range) and "a" does not (0xE8B7BE43, 0.909).
@pytest.mark.parametrize(
    "texts",
    [
        ("\na\n\nabc\n\n \nabc\n\na\na\n\n",),
        ("\na\n\nabc\n", "\n \nabc\n\na\na\n\n"),
        ("\na\n\nabc\n", "\n", " \n", "abc\n", "\na\n", "a\n\n"),
        ("\n", "a\n", "\n", "abc\n", "\n", " \n", "abc\n", "\n", "a\n", "a\n", "\n"),
    ],
)
@pytest.mark.usefixtures("hold_out_however_little")
def test_a_blank_line_goes_with_the_line_before_it_whatever_chunk_that_is_in(tmp_path, prepare, texts):
    corpus = prepare(tmp_path, *texts, "a\n", blank_lines="keep", fraction=0.25, words=("a", "abc"))

    assert sentences(corpus, corpus.train) == ["", "a", "", "a", "a", "", "a"]
    assert sentences(corpus, corpus.valid) == ["abc", "", "", "abc", ""]
    assert corpus.record.train == SplitCounts(sentences=7, words=4, characters=3 + 4 * 2)
    assert corpus.record.valid == SplitCounts(sentences=5, words=2, characters=2 * 4 + 1 + 2 + 1)


# The folder -----------------------------------------------------------------------------------------------


def test_a_prepared_corpus_is_its_record_and_the_files_that_it_names(tmp_path, prepare):
    corpus = prepare(tmp_path / "deep" / "corpus", "the cat\n", stop_words=["dog"])

    assert sorted(corpus.record.files) == [
        "characters",
        "stop_words.txt",
        "train",
        "valid",
        "valid_text",
        "vocabulary",
    ]
    assert sorted(path.name for path in corpus.folder.iterdir()) == sorted(
        [*corpus.record.files.values(), "corpus.json"]
    )
    for name in corpus.record.files.values():
        assert name.split(".")[1] == files.sha256_of(corpus.folder / name)[:16]


def test_preparing_again_replaces_the_corpus_and_removes_its_files(tmp_path, prepare):
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "train.txt").write_text("mine too")
    prepare(tmp_path, "the old corpus\n", stop_words=["dog"])
    old = PreparedCorpus.open(tmp_path)
    new = prepare(tmp_path, "the new corpus is longer\n")

    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        [*new.record.files.values(), "corpus.json", "notes.txt", "train.txt"]
    )
    assert PreparedCorpus.open(tmp_path).record == new.record
    # A reader that has the old streams open keeps them.
    assert sentences(old, old.train) == ["the old corpus"]


def test_preparing_the_same_again_changes_nothing(tmp_path, prepare):
    prepare(tmp_path, FOUR_SENTENCES, segmenter="jieba")
    before = contents(tmp_path)
    prepare(tmp_path, FOUR_SENTENCES, segmenter="jieba")

    assert contents(tmp_path) == before


@pytest.mark.parametrize("failing", ["vocabulary", "characters", "corpus"])
def test_a_disk_that_fills_up_leaves_the_old_corpus_whole(tmp_path, prepare, monkeypatch, failing):
    prepare(tmp_path, "the old corpus\n")
    before = contents(tmp_path)
    write_bytes = files.write_bytes

    def write(path, content, beside=None):
        if path.name.startswith(failing):
            raise OSError(28, "No space left on device")
        write_bytes(path, content, beside)

    with monkeypatch.context() as patched:
        patched.setattr(files, "write_bytes", write)
        with pytest.raises(OSError, match="No space left"):
            prepare(tmp_path, "the new corpus\n")

    assert before.items() <= contents(tmp_path).items()
    assert not list(tmp_path.glob(".*"))
    old = PreparedCorpus.open(tmp_path)
    assert sentences(old, old.train) == ["the old corpus"]
    # What was left behind goes with the next success.
    corpus = prepare(tmp_path, "the new corpus\n")
    assert set(contents(tmp_path)) == {*corpus.record.files.values(), "corpus.json"}


# Workers --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("failing", [False, True])
def test_workers_are_gone_before_their_scratch_folder_is(tmp_path, failing):
    seen = []

    @contextlib.contextmanager
    def workers():
        try:
            yield map
        finally:
            seen.append([path.name for path in tmp_path.iterdir() if path.is_dir()])

    class Segmenter:
        identity = SegmenterIdentity("space")
        user_dictionary = b""

        def segment(self, line):
            if failing:
                raise DataError("bad")
            return line.split()

    expected = pytest.raises(DataError, match="bad") if failing else contextlib.nullcontext()
    with expected:
        prepare_corpus(
            [(SourceChunk("text", b"a b", "utf-8", "strict", 1, 0), "train")],
            tmp_path,
            SplitRules(Tokenizer(Normalization("nfc", False), Segmenter(), frozenset()), "drop", 0.0),
            VocabularyRules(),
            workers=workers(),
            sources=list,
        )

    # The scratch folder, which is there as long as a worker may write into it.
    assert len(seen[0]) == 1
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]


def test_lines_that_validate_and_train_are_counted(tmp_path, prepare, caplog):
    train = ["a b\n\n", "c d e\na b\n", "f\n"]
    with caplog.at_level(logging.INFO):
        corpus = prepare(tmp_path, *train, valid=" c d e\nnew line here\nf\na b c\n\nf\n", compare=True)

    # c d e and f twice; the line's blanks do not matter.
    assert corpus.record.shared == SharedLines(lines=3, words=5)
    assert any(
        message.startswith("3 of the 5 validation lines (45.5 % of the words) stand in the training text, too")
        for message in caplog.messages
    )


def test_what_little_two_texts_share_is_said_to_who_watches(tmp_path, prepare, caplog):
    with caplog.at_level(logging.INFO):
        corpus = prepare(tmp_path, "heading\n", valid=f"heading\n{'word ' * 10}\n", compare=True)
    assert corpus.record.shared == SharedLines(lines=1, words=1)
    assert [record.levelname for record in caplog.records if "stand in the training text" in record.message] == [
        "INFO"
    ]
    caplog.clear()
    prepare(tmp_path, "a\n", valid="b\n", compare=True)
    assert not any("stand in the training text" in message for message in caplog.messages)
