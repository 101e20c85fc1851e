"""A model of pieces of words (segmenter sentencepiece), trained and asked on the command line."""

from __future__ import annotations

import json

import pytest

ANIMALS, PLACES = ("cat", "dog", "hen"), ("mat", "log", "bed")
TEXT = "".join(f"the {animal} sat on the {place}.\n" for animal in ANIMALS for place in PLACES) * 20
TRAIN = (
    *("--segmenter", "sentencepiece", "--subwords", "22", "--set", "text.subword_algorithm=bpe"),
    *("--set", "model.family=ngram", "--valid-fraction", "0"),
)


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text(TEXT)
    return path


@pytest.fixture(scope="module")
def pieces(lmctl, text):
    """A model of so few pieces that animals and places are several."""
    finished = lmctl("train", text, "-o", text.parent / "model", *TRAIN)
    assert finished.code == 0, finished.err
    return text.parent / "model"


def test_an_answer_is_a_piece_or_with_words_a_whole_word(call, pieces):
    by_piece = json.loads(call("predict", "-m", pieces, "--json", "-k", "9", "the cat sat on the").out)
    by_word = json.loads(call("predict", "-m", pieces, "--words", "--json", "-k", "3", "the cat sat on the").out)

    assert not {found["word"] for found in by_piece["predictions"]} & {"mat", "▁mat"}
    assert sorted(found["word"] for found in by_word["predictions"]) == ["bed", "log", "mat"]
    assert by_word["exact"] is True
    assert by_word["unseen"] == pytest.approx(1 - sum(found["prob"] for found in by_word["predictions"]), abs=0.2)


def test_every_format_says_that_a_limit_ended_the_search(call, pieces, on_terminal):
    options = ("predict", "-m", pieces, "--words", "--limit", "1", "the cat sat on the")

    assert call(*options, "--format", "words").out.split()[-1] == "<unseen>"
    *_, name, mass = call(*options, "--format", "plain").out.split()
    assert name == "<unseen>"
    assert 0 < float(mass) <= 1
    header, *rows = call(*options, "--format", "tsv").rows
    assert header == ["line", "rank", "word", "logprob", "exact", "unseen"]
    assert {row[4] for row in rows} == {"0"}
    assert "not exact: words of probability" in on_terminal(*options)[1].replace("\n", " ")


def test_the_surprisal_of_a_given_word_is_that_of_its_pieces(lmctl, pieces):
    line = b"the cat sat\n"
    whole = lmctl("surprisal", "-m", pieces, "--words-given", "--no-eos", stdin=line).rows[1:]
    apart = lmctl("surprisal", "-m", pieces, "--no-eos", stdin=line).rows[1:]

    assert [row[3] for row in whole] == ["the", "cat", "sat"]
    assert [row[4:6] for row in whole] == [["0", "3"], ["4", "7"], ["8", "11"]]
    assert len(apart) > len(whole)
    assert sum(float(row[6]) for row in whole) == pytest.approx(sum(float(row[6]) for row in apart), abs=1e-5)


def test_generated_text_is_written_as_people_write_it(call, pieces):
    finished = call("generate", "-m", pieces, "the cat", "--sentences", "1", "--temperature", "0")

    assert finished.out in {f"the cat sat on the {place}.\n" for place in PLACES}


def test_info_names_the_segmenter(call, pieces):
    assert ["segmenter", "sentencepiece"] in call("info", pieces).rows


def test_a_model_of_another_program_cuts_the_text(call, pieces, text, tmp_path):
    learned = pieces / "current" / "subwords.model"
    options = ("--set", f"text.model_file={learned}", "--segmenter", "sentencepiece")

    again = call("prepare", text, "--stdout", *options)
    assert again.out == call("prepare", text, "--stdout", *TRAIN[:6]).out
    assert again.lines[0].replace(" ", "").replace("▁", " ").strip() == "the cat sat on the mat."


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--limit", "5"), "--limit needs --words"),
        (("--words", "--prefix"), "--words and --prefix contradict each other"),
        (("--prefix",), "its tokens are pieces of words (segmenter sentencepiece)"),
    ],
)
def test_options_that_do_not_fit_are_refused(call, pieces, options, message):
    finished = call("predict", "-m", pieces, *options, "the")
    assert (finished.code, finished.out) == (2, "")
    assert message in finished.err


def test_words_are_whole_in_a_model_of_words(call, bundle):
    finished = call("predict", "-m", bundle, "--words", "the")
    assert finished.code == 2
    assert "leave --words out" in finished.err


def test_a_wrong_model_file_is_named(call, text, tmp_path):
    finished = call(
        "train", text, "-o", tmp_path / "model", "--segmenter", "sentencepiece", "--set", f"text.model_file={text}"
    )
    assert finished.code == 65
    assert f"{text}: expected a SentencePiece model" in finished.err
    assert not (tmp_path / "model").exists() or not (tmp_path / "model" / "current").exists()
