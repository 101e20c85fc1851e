"""Segmentation of text, from preparation to the answer of a query."""

from __future__ import annotations

import pytest

from lmctl.store.bundle import open_bundle

COUNT = ("--set", "preset=ngram", "--valid-fraction", "0")
SENTENCES = ("the cat sat", "the dog sat", "the cat ran")


@pytest.fixture
def write(tmp_path):
    def write(name, *lines):
        path = tmp_path / name
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return path

    return write


def test_stripped_tags_leave_the_model_of_the_bare_text(call, write, tmp_path):
    tagged = write("tagged.txt", *(f"<s> {line} </s>" for line in SENTENCES))
    bare = write("bare.txt", *SENTENCES)
    warned = call("train", tagged, "-o", tmp_path / "warned", *COUNT)
    assert warned.code == 0
    assert warned.err.count("3 of 3 lines stand between <s> and </s>") == 1

    stripped = call("train", tagged, "-o", tmp_path / "stripped", *COUNT, "--sentence-tags", "strip")
    assert (stripped.code, stripped.err) == (0, "")
    assert call("train", bare, "-o", tmp_path / "bare", *COUNT).code == 0

    models = {name: open_bundle(tmp_path / name / "generations/000001") for name in ("stripped", "bare")}
    tables = models["bare"].record.sizes.table_names()
    assert all(
        (models["stripped"].folder / name).read_bytes() == (models["bare"].folder / name).read_bytes()
        for name in ("vocabulary.tsv", "characters.tsv", *tables)
    )
    # The context of a query may have tags, too.
    answers = [call("predict", "-m", tmp_path / name, text) for name in models for text in ("<s> the", "the")]
    assert answers[0].out == answers[1].out == answers[3].out
    scores = [call("eval", "-m", tmp_path / "stripped", text, "--format", "kenlm") for text in (tagged, bare)]
    assert scores[0] == scores[1]
    assert "<s> and </s> removed from the ends of lines" in call("info", tmp_path / "stripped").out


def test_a_user_word_with_punctuation_is_one_from_preparation_to_the_answer(call, write, tmp_path):
    words = write("user.txt", "*ST舜船", "Criminal Minds", "iPhone手机")
    text = write("text.txt", *["我买*ST舜船。", "我看Criminal Minds。", "我买iPhone手机。"] * 3)
    options = ("--segmenter", "jieba", "--user-dict", words, "--lowercase")

    printed = call("prepare", "--stdout", text, *options)
    assert printed.lines[:3] == ["我 买 *st舜船 。", "我 看 criminal_minds 。", "我 买 iphone手机 。"]
    trained = call("train", text, "-o", tmp_path / "model", *COUNT, *options)

    assert trained.code == 0
    assert f"{words}: line 2: 'criminal minds' has white space inside" in trained.err
    answer = call(
        "predict", "-m", tmp_path / "model", "我看", "我买", "我看 Criminal Minds", "-k", "1", "--format", "words"
    )
    assert answer.lines == ["criminal_minds", "*st舜船", "。"]


def test_words_that_an_arpa_file_has_for_nothing_are_said(call, write, tmp_path):
    arpa = write(
        "zh.arpa",
        *("\\data\\", "ngram 1=6", "", "\\1-grams:"),
        *(f"-0.7\t{word}" for word in ("<unk>", "<s>", "</s>", "深度学习", "自然语言处理", "机器学习")),
        *("", "\\end\\"),
    )
    silent = call("import", arpa, "-o", tmp_path / "auto")
    assert (silent.code, "never" in silent.err) == (0, False)
    assert open_bundle(tmp_path / "auto/generations/000001").record.recipe.segmenter.name == "space"

    cut = call("import", arpa, "-o", tmp_path / "jieba", "--segmenter", "jieba")
    assert cut.code == 0
    assert "3 of 3 words cannot occur in a query, such as '" in cut.err
    assert "jieba cuts 3 of them (--segmenter space would not)" in cut.err
