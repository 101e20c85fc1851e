"""ARPA files as other tools write them: special words, escapes, encodings, zeros, and lines that no text needs."""

import math

import pytest
from arpa_texts import ARPA, log10_prob

from lmctl.errors import DataError
from lmctl.families.arpa.words import ESCAPES_COMMENT, WordSpelling


def test_without_an_unknown_word_it_has_the_probability_of_kenlm(load, caplog):
    vocabulary, model = load(ARPA.replace("1=6", "1=5").replace("-1.5\t<unk>\t0\n", ""))

    assert log10_prob(vocabulary, model, ["b"], "zebra") == pytest.approx(-100 - 0.125)
    assert "no <unk> among the unigrams; it has log10 -100" in caplog.text


def test_an_unknown_word_in_capitals_is_one(load, caplog):
    vocabulary, model = load(ARPA.replace("<unk>", "<UNK>"))

    assert vocabulary.words[0] == "<unk>"
    assert len(vocabulary) == 5
    assert log10_prob(vocabulary, model, [], "zebra") == pytest.approx(-1.5)
    assert "among the unigrams" not in caplog.text


HTK = {"<unk>": "!!UNK", "<s>": "!ENTER", "</s>": "!EXIT"}


@pytest.mark.parametrize("named", [{}, {"unknown": "!!UNK", "start": "!ENTER", "end": "!EXIT"}])
def test_htks_special_words_are_found_or_named(load, caplog, named):
    # HTKBook 3.4, chapter 15: sentence start and end !ENTER and !EXIT, and !!UNK for words out of vocabulary.
    text = ARPA
    for usual, of_htk in HTK.items():
        text = text.replace(usual, of_htk)

    vocabulary, model = load(text, **named)

    assert vocabulary.words == ("<unk>", "</s>", "b", "A", "a")
    assert log10_prob(vocabulary, model, ["<s>"], "a") == pytest.approx(-0.1)
    assert log10_prob(vocabulary, model, ["b"], "</s>") == pytest.approx(-0.3)
    assert log10_prob(vocabulary, model, [], "zebra") == pytest.approx(-1.5)
    assert ("took !!UNK, !ENTER, !EXIT for the unknown word" in caplog.text) == (not named)


def test_words_in_another_encoding_are_decoded(load):
    vocabulary, model = load(ARPA.replace("A", "\u4e2d"), encoding="gb18030")

    assert vocabulary.words == ("<unk>", "</s>", "b", "a", "\u4e2d")
    assert log10_prob(vocabulary, model, ["<s>", "a"], "\u4e2d") == pytest.approx(-0.06)


def test_a_file_in_utf_16_is_read_by_name(load):
    vocabulary, model = load(ARPA, encoding="utf-16")

    assert log10_prob(vocabulary, model, ["b"], "</s>") == pytest.approx(-0.3)


def test_an_escaped_word_is_restored(tmp_path, load):
    odd = ["<UNK>", "<s>", r"\x20", "plain"]
    spelling = WordSpelling(["<unk>", "</s>", *odd])
    comment = f"{ESCAPES_COMMENT}\n"
    unigrams = "".join(f"-1\t{word}\n" for word in [*spelling.words, "<s>"])

    vocabulary, _ = load(f"{comment}\\data\\\nngram 1=7\n\\1-grams:\n{unigrams}\\end\\\n")

    assert vocabulary.words == ("<unk>", "</s>", *sorted(odd))


def test_escapes_are_letters_in_a_file_that_does_not_say_so(load):
    vocabulary, _ = load(ARPA.replace("A", r"\x41"))

    assert r"\x41" in vocabulary.words


def test_an_empty_word_is_left_out(load, caplog):
    # MITLM's estimate-ngram takes two blanks at the end of a line, or a line of blanks alone, for an empty word.
    text = (
        ARPA.replace("ngram 1=6", "ngram 1=7").replace("ngram 2=4", "ngram 2=7").replace("ngram 3=2", "ngram 3=3")
    )
    text = text.replace("\n\n\\2-", "\n-0.9\t\t-0.3\n\n\\2-").replace(
        "\n\n\\3-", "\n-0.2\t<s> \t-0.1\n-0.3\t a\t-0.2\n-0.6\t \t-0.2\n\n\\3-"
    )
    vocabulary, model = load(text.replace("\n\n\\end", "\n-0.07\t<s>  a\n\n\\end"))

    assert vocabulary.words == ("<unk>", "</s>", "b", "A", "a")
    assert model.sizes.ngrams == [5, 5, 2]
    assert log10_prob(vocabulary, model, ["<s>", "a"], "A") == pytest.approx(-0.06)
    assert "left out 4 n-grams" in caplog.text


@pytest.mark.parametrize("zero", ["-99", "-99.0", "-inf", "-Infinity", "-1.#INF", "-1e400"])
def test_the_spellings_of_zero_are_read_as_zero(load, zero):
    vocabulary, model = load(ARPA.replace("-0.5\tb", f"{zero}\tb").replace("-0.25", zero))

    assert log10_prob(vocabulary, model, [], "b") == -math.inf
    assert log10_prob(vocabulary, model, ["a"], "a") == -math.inf


def test_ngrams_that_no_text_asks_for_are_left_out(load, caplog):
    text = ARPA.replace("ngram 2=4", "ngram 2=8").replace("1=6", "1=7")
    text = text.replace("\\2-grams:\n", "\\2-grams:\n-1\ta <s>\n-1\t</s> a\n-1\t<s> <s>\n-1\ta a\u00a0b\n")
    text = text.replace("-0.75\ta\t", "-0.3\ta\u00a0b\n-0.75\ta\t")

    vocabulary, model = load(text)

    assert vocabulary.words == ("<unk>", "</s>", "b", "A", "a")
    assert model.sizes.ngrams == [5, 5, 2]
    assert (
        "left out 4 n-grams: <s> inside, </s> before the end, or a word that is empty or has white space"
        in caplog.text
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("b </s>", "b a", "line 17: this n-gram is in the file a second time"),
        ("<s> a A", "a b a", "line 22: this n-gram is in the file a second time"),
        ("</s>", "<e>", "no </s> among the unigrams"),
        ("A", "<UNK>", "both <unk> and <UNK> are unigrams"),
    ],
)
def test_invalid_unigrams_and_repeated_ngrams_are_refused(load, tmp_path, old, new, message):
    with pytest.raises(DataError, match=message):
        load(ARPA.replace(old, new))
    assert not list(tmp_path.glob("*.npy"))


def test_without_a_start_a_sentence_starts_after_nothing(load, caplog):
    text = ARPA.replace("1=6", "1=5").replace("2=4", "2=3").replace("3=2", "3=1")
    text = "".join(line for line in text.splitlines(keepends=True) if "<s>" not in line)

    vocabulary, model = load(text)

    assert log10_prob(vocabulary, model, ["<s>"], "b") == pytest.approx(-0.5)
    assert "no <s> among the unigrams; it has a back-off of 0" in caplog.text
