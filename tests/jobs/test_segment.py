"""`segment`: the tokens of each line, and the warnings about the form of a text."""

import logging

import pytest
from preparing import CHINESE, config, words_of

from lmctl.config import TextConfig
from lmctl.errors import DataError
from lmctl.jobs import prepare as job
from lmctl.jobs.prepare import prepare, segment
from lmctl.jobs.tokenizing import make_tokenizer
from lmctl.text import source_chunks


def segmented(sources, text):
    """The tokens of all lines; no line is too long."""
    for tokens, goes_on in segment(sources, text):
        assert not goes_on
        yield tokens


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


def test_segmented_text_has_the_words_of_a_prepared_corpus(write, tmp_path):
    text = write("text.txt", CHINESE)
    corpus = prepare([text], tmp_path / "corpus", config())

    found = segmented([text], TextConfig())
    assert " ".join(" ".join([*tokens, "</s>"]) for tokens in found) == words_of(corpus, corpus.train)


@pytest.mark.parametrize("turn", [1, -1])
def test_all_inputs_together_decide_how_they_are_segmented(write, tmp_path, turn):
    paths = [write("en.txt", "the cat sat\n"), write("zh.txt", "我爱编程。\n" * 20)][::turn]

    assert ["我", "爱", "编程", "。"] in segmented(paths, TextConfig())
    assert prepare(paths, tmp_path / "corpus", config(), jobs=1).record.recipe.segmenter.name == "jieba"


def test_the_output_of_prepare_is_cut_into_the_same_words(write, caplog):
    caplog.set_level(logging.INFO, "lmctl")
    cut = [" ".join(tokens) for tokens in segmented([write("raw.txt", CHINESE)], TextConfig())]
    caplog.clear()

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
    ("text", "tokens", "choice"),
    [
        (
            "The cat sat on the mat.\nThe dog didn't, too.\n",
            ["The cat sat on the mat .", "The dog didn't , too ."],
            (
                "words end in punctuation marks, such as 'too.', so words and punctuation are cut apart "
                "(--segmenter words)"
            ),
        ),
        (
            "The cat sat , too .\n",
            ["The cat sat , too ."],
            "punctuation marks stand alone, so the text is cut at white space (--segmenter space)",
        ),
        (
            "the cat\n",
            ["the cat"],
            "the text has no punctuation at its words, so it is cut at white space (--segmenter space)",
        ),
        ("他来到了大厦。\n", ["他 来到 了 大厦 。"], "the text is Chinese, so jieba cuts it into words"),
        (
            "we think 这个模型 is good\n",
            ["we think 这个 模型 is good"],
            "a part of the text is Chinese, so its words are cut apart (--segmenter words)",
        ),
    ],
)
def test_auto_tells_its_choice_on_a_terminal_alone(write, caplog, text, tokens, choice):
    caplog.set_level("INFO")
    path = write("text.txt", text)

    assert [" ".join(line) for line in segmented([path], TextConfig())] == tokens

    assert [(record.levelname, record.message) for record in caplog.records] == [("INFO", choice)]


def test_sentences_without_spaces_are_cut_into_characters_with_a_warning(write, caplog):
    path = write("text.txt", "私は毎日コーヒーを飲みます。\n今日は、ですね。\n")
    warning = (
        "59 % of the characters are of scripts without spaces whose words lmctl does not know, such as 'ー': each "
        "of them is a word for the model; to have longer words, cut the text first, and use --segmenter space"
    )
    for segmenter in ("auto", "words"):
        caplog.clear()
        first, _ = segmented([path], TextConfig(segmenter=segmenter))
        assert first == [*"私は毎日コーヒーを飲みます。"]
        assert [record.message for record in caplog.records if record.levelname == "WARNING"] == [warning]

    caplog.clear()
    list(segmented([path], TextConfig(segmenter="space")))
    assert not caplog.messages


def test_long_words_are_warned_of(write, caplog):
    path = write("dna.txt", "ACGT" * 10 + "\n" + "TGCA" * 10 + "\n")
    assert list(segmented([path], TextConfig())) == [["ACGT" * 10], ["TGCA" * 10]]
    assert [record.message.partition(":")[0] for record in caplog.records] == [
        "most of the text stands in words of more than 30 characters"
    ]


def test_a_user_dictionary_of_the_segmenter_words(write, caplog):
    path = write("user.txt", "云计算平台\nC++ 7\n")
    text = TextConfig(segmenter="words", user_dictionary=path)

    assert list(segmented([write("text.txt", "云计算平台用C++, ok?\n")], text)) == [
        ["云计算平台", "用", "C++", ",", "ok", "?"]
    ]
    assert caplog.messages == [
        (
            f"{path}: line 2: 'C++' has characters inside that jieba does not join: lmctl searches for it before "
            "jieba cuts, and its frequency has no effect"
        )
    ]


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


def test_a_line_that_is_read_in_parts_is_one_line_all_the_same(write, monkeypatch):
    monkeypatch.setattr(source_chunks, "LONGEST_LINE_BYTES", 8)
    text = write("text.txt", "aa bb cc dd\nee\n")
    assert list(segment([text], TextConfig(segmenter="space"))) == [
        (["aa", "bb"], True),
        (["cc", "dd"], False),
        (["ee"], False),
    ]


def test_a_long_line_without_spaces_is_cut_by_a_segmenter_that_needs_none(write, tmp_path):
    text = write("text.txt", CHINESE.replace("\n", "") * 2_000)
    corpus = prepare([text], tmp_path / "corpus", config(fraction=0.05, text={"segmenter": "jieba"}))
    assert corpus.record.valid.words > 100
