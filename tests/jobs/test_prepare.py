import bz2
import gzip
import hashlib
import io
import json
import logging
import sys

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lmctl import files
from lmctl.config import Config, TextConfig, ValidationConfig, VocabularyConfig
from lmctl.corpus import preparation
from lmctl.corpus.prepared import PreparedCorpus, SharedLines
from lmctl.errors import DataError, InputMissingError, LockedError, StorageError, UsageError
from lmctl.jobs import prepare as job
from lmctl.jobs.prepare import make_tokenizer, prepare, segment
from lmctl.scratch import Scratch
from lmctl.store.lock import locked
from lmctl.text import source_chunks

ALICE = (
    "Alice was beginning to get very tired of sitting by her sister on the bank\n"
    "and of having nothing to do\n"
    "\n"
    "once or twice she had peeped into the book her sister was reading\n"
    "but it had no pictures or conversations in it\n"
    " \n"
    "and what is the use of a book thought Alice without pictures or conversations\n"
)
CHINESE = "我爱编程。\n编程是一种艺术。\n艺术是人类创造的。\n创造是人类的天赋。\n"


def config(*, text=None, vocabulary=None, fraction=0.0, file=None):
    return Config(
        text=TextConfig(**(text or {})),
        vocabulary=VocabularyConfig(**(vocabulary or {})),
        validation=ValidationConfig(fraction=fraction, file=None if file is None else str(file)),
    )


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def segmented(sources, text):
    """The tokens of every line, none of which is too long."""
    for tokens, goes_on in segment(sources, text):
        assert not goes_on
        yield tokens


def contents_of_files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def words_of(corpus, stream):
    return " ".join(corpus.vocabulary.decode(stream.tolist()))


@pytest.fixture
def write(tmp_path):
    def write(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return write


@pytest.fixture
def long_texts(write):
    """Two files of 250 lines, some more than once, blank ones among them."""
    generator = np.random.default_rng(1)
    words = np.array(["the", "cat", "sat", "on", "a", "mat", "猫", "坐", "Ünited", *map(str, range(100))])
    lines = [" ".join(generator.choice(words, generator.integers(0, 9))) + "\n" for _ in range(220)]
    return [write("first.txt", "".join(lines[:150])), write("second.txt", "".join(lines[120:]))]


@pytest.mark.parametrize(
    ("setting", "chunks"),
    [
        (config(fraction=0.3), [(97, 1), (1_000, 3)]),
        (config(fraction=0.3, text={"blank_lines": "keep"}, vocabulary={"size": 50}), [(97, 1), (1_000, 1)]),
        (
            config(
                text={"segmenter": "char", "normalize": "nfkc", "lowercase": True}, vocabulary={"min_count": 50}
            ),
            [(1_000, 1)],
        ),
    ],
)
def test_chunks_of_any_size_and_any_number_of_workers_give_the_same_bytes(
    tmp_path, long_texts, monkeypatch, setting, chunks
):
    whole = prepare(long_texts, tmp_path / "whole", setting, jobs=1)
    assert whole.record.train.sentences > 100
    assert bool(whole.record.valid.words) is bool(setting.validation.fraction)

    for chunk_bytes, jobs in chunks:
        monkeypatch.setattr(job, "CHUNK_BYTES", chunk_bytes)
        folder = tmp_path / f"{chunk_bytes}-{jobs}"
        prepare(long_texts, folder, setting, jobs=jobs)
        assert contents(folder) == contents(whole.folder)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    # At 0.25 "abc" validates and "a" does not; the others are blank.
    lines=st.lists(st.sampled_from(["a", "abc", "", " ", "the"]), max_size=12),
    chunk_bytes=st.integers(1, 12),
    blank_lines=st.sampled_from(["drop", "keep"]),
)
def test_where_a_chunk_ends_never_matters(tmp_path_factory, monkeypatch, lines, chunk_bytes, blank_lines):
    folder = tmp_path_factory.mktemp("corpora")
    text, stop_words = folder / "text", folder / "stop words"
    text.write_text("".join(f"{line}\n" for line in ["a", *lines]))
    stop_words.write_text("the\n")
    setting = config(fraction=0.25, text={"blank_lines": blank_lines, "stop_words": str(stop_words)})
    with monkeypatch.context() as patched:
        patched.setattr(preparation, "FEWEST_VALID_WORDS", 0)
        whole = prepare([str(text)], folder / "whole", setting)
        patched.setattr(job, "CHUNK_BYTES", chunk_bytes)
        pieces = prepare([str(text)], folder / "pieces", setting, jobs=1)

    assert contents(pieces.folder) == contents(whole.folder)


def test_what_the_record_says_of_the_sources_is_of_their_decompressed_bytes(write, tmp_path):
    first = write("alice.txt.gz", gzip.compress(ALICE.encode()))
    second = write("chinese.txt.bz2", bz2.compress(CHINESE.encode()))
    held_out = write("held out.txt", b"the book\n")
    record = prepare([first, second], tmp_path / "corpus", config(file=held_out), jobs=1).record

    assert [msgspec.to_builtins(source) for source in record.sources] == [
        {
            "name": name,
            "split": split,
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }
        for name, split, content in [
            (first, "train", ALICE.encode()),
            (second, "train", CHINESE.encode()),
            (held_out, "valid", b"the book\n"),
        ]
    ]


def test_sources_are_read_in_the_order_given(write, tmp_path):
    first, second = write("b.txt", "one\ntwo"), write("a.txt", "three\n")

    assert [
        words_of(corpus, corpus.train)
        for corpus in (
            prepare([first, second], tmp_path / "1", config(), jobs=1),
            prepare([second, first], tmp_path / "2", config(), jobs=1),
        )
    ] == ["one </s> two </s> three </s>", "three </s> one </s> two </s>"]


def test_standard_input_is_a_source(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"the cat\n")))
    corpus = prepare(["-"], tmp_path, config())

    assert words_of(corpus, corpus.train) == "the cat </s>"
    assert corpus.record.sources[0].name == "-"


def test_progress_is_the_number_of_bytes_read_so_far(write, tmp_path):
    seen = []
    first, second = write("first.txt", ALICE), write("second.txt", CHINESE)
    prepare([first, second], tmp_path / "corpus", config(), jobs=1, on_progress=seen.append)

    assert seen == sorted(seen)
    assert seen[-1] == len(ALICE.encode()) + len(CHINESE.encode())


def test_a_file_to_validate_on_is_held_out_however_small(write, tmp_path, caplog):
    text, held_out = write("text.txt", ALICE), write("held out.txt", "the book\n")
    corpus = prepare([text], tmp_path / "corpus", config(file=held_out, fraction=0.5))

    assert words_of(corpus, corpus.valid) == "the book </s>"
    # With a text of its own, no line of the corpus is held out.
    assert corpus.record.train.sentences == 5
    assert "too little" not in caplog.text


def test_too_little_text_is_trained_on_whole(write, tmp_path, caplog):
    corpus = prepare([write("text.txt", ALICE)], tmp_path / "corpus", config(fraction=0.5))

    assert corpus.record.train.sentences == 5
    assert corpus.record.valid.tokens == 0
    assert "too little text to hold out 50 % for validation (57 words)" in caplog.text


@pytest.mark.parametrize(
    ("text", "segmenter", "tokens"),
    [(ALICE, "space", 57), (CHINESE, "jieba", 21), (f"x\n{CHINESE}", "jieba", 22)],
)
def test_auto_chooses_the_segmenter_by_the_text(write, tmp_path, text, segmenter, tokens):
    record = prepare([write("text.txt", text)], tmp_path / "corpus", config()).record

    assert record.recipe.segmenter.name == segmenter
    assert record.train.words == tokens


def test_dictionaries_are_stored_with_the_corpus(write, tmp_path):
    dictionary, stop_words = write("words.txt", "编程是 100000\n"), write("stop.txt", "。\n的\n")
    corpus = prepare(
        [write("text.txt", CHINESE)],
        tmp_path / "corpus",
        config(text={"user_dictionary": dictionary, "stop_words": stop_words}),
    )

    assert corpus.recipe_files() == {
        "user_dictionary.txt": "编程是\t100000\t\n".encode(),
        "stop_words.txt": "。\n的\n".encode(),
    }
    again = PreparedCorpus.open(corpus.folder)
    tokenizer = again.record.recipe.tokenizer(again.recipe_files())
    assert tokenizer.tokens("编程是一种艺术。") == ["编程是", "一种", "艺术"]
    assert words_of(corpus, corpus.train).startswith("我 爱 编程 </s> 编程是 一种 艺术 </s>")


def test_a_user_dictionary_is_not_used_where_auto_chooses_space(write):
    text = TextConfig(user_dictionary=write("words.txt", "编程是 100000\n"))

    assert make_tokenizer(text, "space").segmenter.user_dictionary == b""


def test_a_fixed_vocabulary_takes_the_place_of_size_and_min_count(write, tmp_path):
    fixed = write("vocabulary.txt", "book\t3\npictures\n\nAlice\n")
    corpus = prepare(
        [write("text.txt", ALICE)],
        tmp_path / "corpus",
        config(vocabulary={"file": fixed, "size": 3, "min_count": 9}),
    )

    assert corpus.vocabulary.words == ("<unk>", "</s>", "Alice", "book", "pictures")
    assert corpus.record.train.oov == 57 - 6


def test_the_encoding_is_the_one_configured(write, tmp_path):
    text = write("text.txt", CHINESE.encode("gb18030"))
    corpus = prepare([text], tmp_path / "corpus", config(text={"encoding": "gb18030", "segmenter": "char"}))

    assert words_of(corpus, corpus.train).startswith("我 爱 编 程 。 </s>")


# Failures -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("bad", [b"caf\xe9 \n", b"a\0b\n"])
def test_a_failure_half_way_leaves_the_old_corpus_and_no_scratch(write, tmp_path, monkeypatch, jobs, bad):
    folder = tmp_path / "corpus"
    prepare([write("old.txt", "the old corpus\n")], folder, config())
    before = contents(folder)
    line = b"a line that can be read\n"
    text = write("text.txt", line * 40 + bad + line * 40)
    monkeypatch.setattr(job, "CHUNK_BYTES", 200)

    with pytest.raises(DataError, match=r"text\.txt: line 41, byte"):
        prepare([text], folder, config(), jobs=jobs)

    assert contents(folder) == before
    corpus = PreparedCorpus.open(folder)
    assert words_of(corpus, corpus.train) == "the old corpus </s>"


def test_a_cut_off_archive_leaves_the_old_corpus_and_no_scratch(write, tmp_path):
    folder = tmp_path / "corpus"
    prepare([write("old.txt", "the old corpus\n")], folder, config())
    before = contents(folder)
    text = write("text.txt.gz", gzip.compress(np.random.default_rng(1).bytes(1_000).hex().encode())[:-100])

    with pytest.raises(DataError, match=r"text\.txt\.gz: damaged or cut off"):
        prepare([write("sound.txt", ALICE), text], folder, config(), jobs=1)

    assert contents(folder) == before


@pytest.mark.parametrize("held_out", ["", "\n \n"])
def test_a_file_with_nothing_to_validate_on_leaves_the_old_corpus(write, tmp_path, held_out):
    folder = tmp_path / "corpus"
    prepare([write("old.txt", "the old corpus\n")], folder, config())
    before = contents(folder)

    with pytest.raises(DataError, match=r"held out\.txt: nothing to validate on; the text has no words"):
        prepare([write("text.txt", ALICE)], folder, config(file=write("held out.txt", held_out)))

    assert contents(folder) == before


def test_of_many_empty_texts_a_message_names_the_first(write, tmp_path):
    paths = [write(f"{number}.txt", "") for number in range(20)]

    with pytest.raises(DataError) as caught:
        prepare(paths, tmp_path / "prepared", config())

    assert str(caught.value) == f"{', '.join(paths[:8])} and 12 more: empty; expected text, a sentence a line"


@pytest.mark.parametrize(
    ("text", "message"), [("", "empty; expected text"), ("\n \n", "nothing to train on; the text has no words")]
)
def test_text_without_words_is_refused(write, tmp_path, text, message):
    with pytest.raises(DataError, match=message):
        prepare([write("text.txt", text)], tmp_path / "corpus", config())

    assert {path.name for path in tmp_path.glob("corpus/*")} <= {"lock"}


@pytest.mark.parametrize("missing", ["source", "file", "vocabulary", "stop_words", "user_dictionary"])
def test_a_missing_file_is_refused_by_name_before_anything_is_written(write, tmp_path, missing):
    text, nowhere = write("text.txt", CHINESE), str(tmp_path / "nowhere.txt")
    setting = config(
        text={missing: nowhere} if missing in ("stop_words", "user_dictionary") else {},
        vocabulary={"file": nowhere} if missing == "vocabulary" else {},
        file=nowhere if missing == "file" else None,
    )

    with pytest.raises(InputMissingError, match=r"nowhere\.txt: "):
        prepare([text, nowhere] if missing == "source" else [text], tmp_path / "corpus", setting)

    assert not (tmp_path / "corpus").exists()


def test_standard_input_can_be_read_only_once(tmp_path):
    with pytest.raises(UsageError, match="more than once"):
        prepare(["-"], tmp_path / "corpus", config(file="-"))


def test_a_folder_that_cannot_be_made_is_an_error(write, tmp_path):
    text = write("text.txt", ALICE)

    with pytest.raises((OSError, StorageError), match=r"text\.txt"):
        prepare([text], tmp_path / "text.txt" / "corpus", config())


# Segmented text -------------------------------------------------------------------------------------------


def test_segmented_text_has_a_line_for_each_line(write):
    text = write("text.txt", "我爱编程。\n\n编程是一种艺术。\n")

    assert list(segmented([text], TextConfig())) == [
        ["我", "爱", "编程", "。"],
        [],
        ["编程", "是", "一种", "艺术", "。"],
    ]


@pytest.mark.parametrize("chunk_bytes", [1, 20, 1 << 20])
def test_no_line_is_lost_by_detection(write, monkeypatch, chunk_bytes):
    monkeypatch.setattr(job, "CHUNK_BYTES", chunk_bytes)
    first, second = write("first.txt", "a b\n\nc\n"), write("second.txt", "d\ne f")

    assert list(segmented([first, second], TextConfig())) == [["a", "b"], [], ["c"], ["d"], ["e", "f"]]


def test_segmented_text_is_what_a_corpus_would_hold(write, tmp_path):
    text = write("text.txt", CHINESE)
    corpus = prepare([text], tmp_path / "corpus", config())

    found = segmented([text], TextConfig())
    assert " ".join(" ".join([*tokens, "</s>"]) for tokens in found) == words_of(corpus, corpus.train)


@pytest.mark.parametrize("turn", [1, -1])
def test_all_inputs_together_decide_how_they_are_segmented(write, tmp_path, turn):
    paths = [write("en.txt", "the cat sat\n"), write("zh.txt", "我爱编程。\n" * 20)][::turn]

    assert ["我", "爱", "编程", "。"] in segmented(paths, TextConfig())
    assert prepare(paths, tmp_path / "corpus", config(), jobs=1).record.recipe.segmenter.name == "jieba"


def test_what_prepare_prints_is_cut_as_it_was(write, caplog):
    caplog.set_level(logging.INFO, "lmctl")
    cut = [" ".join(tokens) for tokens in segmented([write("raw.txt", CHINESE)], TextConfig())]
    assert not caplog.messages

    again = segmented([write("cut.txt", "".join(f"{line}\n" for line in cut))], TextConfig())

    assert [" ".join(tokens) for tokens in again] == cut
    assert [(record.levelname, record.message) for record in caplog.records] == [
        (
            "INFO",
            (
                "the text is Chinese cut into words already, so it is cut at white space; "
                "--segmenter jieba would cut its words again"
            ),
        )
    ]


def test_cutting_words_again_is_warned_of(write, caplog):
    path = write("cut.txt", "我 爱 编程 。\n北京大学生 的 活动 很 多 。\n")
    assert ["北京大学生", "的", "活动", "很", "多", "。"] not in segmented([path], TextConfig(segmenter="jieba"))
    assert caplog.messages == [
        (
            "the text is Chinese cut into words already, and jieba cuts its words again; "
            "--segmenter space leaves them as they are"
        )
    ]


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        (
            "The cat sat on the mat.\nThe dog slept, too.\n",
            (
                "30 % of the words end in a punctuation mark, such as 'too.': words are cut at white space alone, "
                "so 'too.' and 'too' are two words"
            ),
        ),
        ("私は毎日コーヒーを飲みます。\n", "most of the text stands in words as long as sentences"),
    ],
)
def test_how_text_is_written_is_said_where_auto_chooses(write, caplog, text, warning):
    path = write("text.txt", text)
    list(segmented([path], TextConfig()))
    assert [(record.levelname, warning in record.message) for record in caplog.records] == [("WARNING", True)]

    caplog.clear()
    list(segmented([path], TextConfig(segmenter="space")))
    assert not caplog.messages


def test_a_user_dictionary_is_normalized_and_warned_of_by_line(write, tmp_path, caplog):
    path = write("user.txt", "iPhone手机 1000\nCriminal Minds\n".encode("utf-8-sig"))
    text = TextConfig(segmenter="jieba", user_dictionary=path, lowercase=True)

    tokens = list(segmented([write("text.txt", "他买了iPhone手机\n我看Criminal Minds\n")], text))

    assert tokens == [["他", "买", "了", "iphone手机"], ["我", "看", "criminal_minds"]]
    assert caplog.messages == [
        (
            f"{path}: line 2: 'criminal minds' has white space inside, and a word of a model has none: "
            "it becomes 'criminal_minds'"
        )
    ]


@pytest.mark.parametrize("engine", ["rjieba", "jieba"])
def test_a_user_word_that_its_frequency_keeps_from_being_found_is_named(write, caplog, engine):
    path = write("user.txt", "云计算 5\n我们的 1\n")
    make_tokenizer(TextConfig(segmenter="jieba", engine=engine, user_dictionary=path), "jieba")
    assert caplog.messages == [
        (
            f"{path}: line 2: '我们的' is cut even if it stands alone, so it is never found; "
            "with a higher frequency or none it would be"
        )
    ]


def test_a_user_dictionary_with_a_bad_line_is_named(write):
    path = write("user.txt", "云计算 5\n词 0\n")
    with pytest.raises(DataError, match=r"user\.txt: line 2: frequency 0; expected 1 to 1000000000"):
        make_tokenizer(TextConfig(segmenter="jieba", user_dictionary=path), "jieba")
    with pytest.raises(DataError, match=r"user\.txt: line 1, byte 0: not valid utf-8"):
        make_tokenizer(TextConfig(user_dictionary=write("user.txt", "词".encode("gb18030"))), "jieba")


TAGGED = "<s> the cat sat </s>\n<s> the dog sat </s>\n\n<s> the cat ran </s>\n"
TAGS = (
    "3 of 3 lines stand between <s> and </s>, which are read as unknown words; "
    "--sentence-tags strip (text.sentence_tags) leaves them out"
)


@pytest.mark.parametrize("chunk_bytes", [1, 1_000])
def test_tags_around_lines_are_said_once_with_their_number(write, tmp_path, caplog, monkeypatch, chunk_bytes):
    monkeypatch.setattr(job, "CHUNK_BYTES", chunk_bytes)
    corpus = prepare([write("text.txt", TAGGED)], tmp_path / "corpus", config(), jobs=1)

    assert caplog.messages == [TAGS]
    assert corpus.record.train.oov == 6
    assert corpus.record.recipe.sentence_tags == "keep"

    caplog.clear()
    assert len(list(segmented([write("text.txt", TAGGED.replace("\n\n", "\n"))], TextConfig()))) == 3
    assert caplog.messages == [TAGS]


def test_stripped_tags_are_as_if_they_had_never_been_there(write, tmp_path, caplog):
    bare = TAGGED.replace("<s> ", "").replace(" </s>", "")
    stripped = prepare(
        [write("text.txt", TAGGED)], tmp_path / "tagged", config(fraction=0.5, text={"sentence_tags": "strip"})
    )
    plain = prepare([write("bare.txt", bare)], tmp_path / "bare", config(fraction=0.5))

    assert words_of(stripped, stripped.train) == words_of(plain, plain.train)
    assert stripped.record.train == plain.record.train
    assert [str(word) for word in stripped.vocabulary.words] == [str(word) for word in plain.vocabulary.words]
    assert "<s>" not in caplog.text
    tokenizer = stripped.record.recipe.tokenizer(stripped.recipe_files())
    assert tokenizer.tokens("<s> the cat sat </s>") == ["the", "cat", "sat"]
    assert next(iter(segmented([write("text.txt", TAGGED)], TextConfig(sentence_tags="strip")))) == [
        "the",
        "cat",
        "sat",
    ]


def test_a_user_dictionary_that_is_not_used_is_warned_of(write, caplog):
    text, dictionary = write("en.txt", "the cat sat\n"), write("words.txt", "编程\n")

    list(segmented([text], TextConfig(user_dictionary=dictionary)))

    assert caplog.messages == [
        "the text is cut by space, so text.user_dictionary is not used; text.segmenter: jieba would use it"
    ]


class KilledError(BaseException):
    """Stands for a kill: nothing is cleaned up on its way."""


@pytest.mark.parametrize("at", ["announce", "write_bytes"])
def test_a_preparation_sweeps_what_a_killed_one_left(write, tmp_path, monkeypatch, at):
    folder = tmp_path / "corpus"
    text = write("text.txt", ALICE)
    prepare([text], folder, config())
    before = contents(folder)
    owner = Scratch if at == "announce" else files
    original = getattr(owner, at)

    def kill(first, *rest, **options):
        # When its files have been announced, or when all are in place and corpus.json is not.
        if at == "announce" or first.name == "corpus.json":
            raise KilledError
        original(first, *rest, **options)

    def rmtree(*_args):
        raise KilledError

    other = write("other.txt", CHINESE)
    with monkeypatch.context() as patched:
        patched.setattr(owner, at, kill)
        patched.setattr("lmctl.scratch.shutil.rmtree", rmtree)
        with pytest.raises(KilledError):
            prepare([other], folder, config())
    left = contents_of_files(folder)
    assert before.items() <= left.items()
    assert len(left) == len(before) + (1 if at == "announce" else 4)

    prepare([text], folder, config())

    assert contents(folder) == before


MINE = (
    *(".train.txt.swp", ".corpus.bak", ".corpus.json.abc", ".vocabulary.notes", ".holder.json.x", "notes.txt"),
    *("train.0123456789abcdef.npy", "valid.0123456789abcdef.txt", ".preparing-abc/000000.words"),
    *(".unfinished-abc/x", ".valid.d/work", "lock", "holder.json", "corpus.json.old"),
)


def test_no_file_that_lmctl_did_not_write_is_removed_or_changed_whatever_its_name(write, tmp_path):
    folder = tmp_path / "corpus"
    for name in MINE:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("mine")

    for text in (ALICE, CHINESE, ALICE):
        prepare([write("text.txt", text)], folder, config())

    assert {name: (folder / name).read_text() for name in MINE} == dict.fromkeys(MINE, "mine")
    names = set(PreparedCorpus.open(folder).record.files.values())
    assert {path.name for path in folder.iterdir()} == {name.split("/")[0] for name in MINE} | names | {
        "corpus.json"
    }


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("corpus.json", "{}"),
        ("corpus.json", ""),
        ("corpus.json", '{"files": {"train": "notes.txt"}}'),
        ("corpus.json", "-> notes.txt"),
        ("unfinished.json", '{"scratch": "notes.txt"}'),
        ("unfinished.json", "-> notes.txt"),
    ],
)
def test_a_file_of_others_in_the_place_of_a_record_is_refused_and_stays(write, tmp_path, name, content):
    folder = tmp_path / "corpus"
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    if content.startswith("-> "):
        (folder / name).symlink_to(content[3:])
    else:
        (folder / name).write_text(content)
    before = {path.name: path.read_text() for path in folder.iterdir()}

    with pytest.raises(UsageError, match=f"^{folder / name}: is no.* name another folder with -o"):
        prepare([write("text.txt", ALICE)], folder, config())

    assert before.items() <= {path.name: path.read_text() for path in folder.iterdir()}.items()


def test_a_record_that_names_files_outside_its_folder_has_none_of_them_removed(write, tmp_path):
    folder = tmp_path / "corpus"
    prepare([write("text.txt", ALICE)], folder, config())
    record = json.loads((folder / "corpus.json").read_text())
    record["files"]["train"], record["files"]["valid"] = "../mine.txt", "notes.txt"
    (folder / "corpus.json").write_text(json.dumps(record))
    for path in (tmp_path / "mine.txt", folder / "notes.txt"):
        path.write_text("mine")

    prepare([write("text.txt", CHINESE)], folder, config())

    assert (tmp_path / "mine.txt").read_text() == (folder / "notes.txt").read_text() == "mine"


def test_of_two_preparations_in_one_folder_the_second_is_refused(write, tmp_path):
    folder = tmp_path / "corpus"
    text = write("text.txt", ALICE)
    prepare([text], folder, config())
    before = contents(folder)

    with locked(folder), pytest.raises(LockedError, match=r"corpus: another run holds its lock"):
        prepare([write("other.txt", CHINESE)], folder, config())

    assert contents(folder) == before


def test_a_validation_file_among_the_inputs_is_left_out_of_them(write, tmp_path, caplog):
    train, valid = write("train.txt", ALICE), write("valid.txt", "Alice had a book\nand no pictures\n")

    corpus = prepare([train, valid], tmp_path / "corpus", config(file=valid))

    assert f"{valid} validates (--valid), so it is left out of the training text" in caplog.messages
    honest = prepare([train], tmp_path / "honest", config(file=valid))
    assert contents(corpus.folder) == contents(honest.folder)
    assert [source.split for source in corpus.record.sources] == ["train", "valid"]


def test_a_copy_of_the_training_text_validates_with_a_warning(write, tmp_path, caplog):
    corpus = prepare([write("train.txt", ALICE)], tmp_path / "corpus", config(file=write("copy.txt", ALICE)))

    assert corpus.record.shared == SharedLines(lines=5, words=corpus.record.train.words)
    assert any("5 of the 5 validation lines (100.0 % of the words)" in message for message in caplog.messages)


def test_a_line_that_is_read_in_parts_is_one_line_all_the_same(write, monkeypatch):
    monkeypatch.setattr(source_chunks, "LONGEST_LINE_BYTES", 8)
    text = write("text.txt", "aa bb cc dd\nee\n")
    assert list(segment([text], TextConfig(segmenter="space"))) == [
        (["aa", "bb"], True),
        (["cc", "dd"], False),
        (["ee"], False),
    ]


@pytest.mark.parametrize("fraction", [0.0, 0.05])
@pytest.mark.parametrize(("segmenter", "advice"), [("space", "jieba or char"), ("jieba", "32768 are the most")])
def test_a_word_that_is_no_word_is_refused_with_its_line(write, tmp_path, fraction, segmenter, advice):
    word = "x" * 3_000_000
    text = write("text.txt", f"{'a b ' * 10_000}\n{word[: 1 << 15]}\na {word} b\n")
    with pytest.raises(DataError) as caught:
        prepare([text], tmp_path / "corpus", config(fraction=fraction, text={"segmenter": segmenter}), jobs=1)
    assert str(caught.value).startswith(f"{text}: line 3: a word of ")
    assert advice in str(caught.value)
    assert len(str(caught.value)) < len(text) + 250


def test_a_long_line_without_spaces_is_cut_by_a_segmenter_that_needs_none(write, tmp_path):
    text = write("text.txt", CHINESE.replace("\n", "") * 2_000)
    corpus = prepare([text], tmp_path / "corpus", config(fraction=0.05, text={"segmenter": "jieba"}))
    assert corpus.record.valid.words > 100


def test_a_bundle_is_no_place_for_a_corpus(tmp_path, write):
    folder = tmp_path / "bundle"
    folder.mkdir()
    (folder / "model.json").write_text('{"format_version": 4}')

    with pytest.raises(UsageError, match="bundle: is a model's bundle, which never changes"):
        prepare([write("alice.txt", ALICE)], folder, config())
    assert [path.name for path in folder.iterdir()] == ["model.json"]
