import math
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmctl.corpus.vocabulary import SENTENCE_END_ID
from lmctl.errors import DataError
from lmctl.families.arpa.export import write_arpa
from lmctl.families.arpa.importing import ArpaReading, read_arpa
from lmctl.families.arpa.words import ESCAPES_COMMENT, SpecialWords, WordSpelling
from lmctl.families.ngram.runtime import NgramLanguageModel
from lmctl.families.ngram.tables import open_tables

# It leaves a context out, as SRILM may after pruning (KenLM would refuse it): "a b" is none of the bigrams.
ARPA = r"""\data\
ngram 1=6
ngram 2=4
ngram 3=2

\1-grams:
-1.5	<unk>	0
-99	<s>	-0.5
-0.7	</s>
-0.75	a	-0.25
-0.5	b	-0.125
-0.75	A	-0.0625

\2-grams:
-0.1	<s> a	-0.3
-0.2	b a	-0.4
-0.3	b </s>
-0.4	a A	-0.6

\3-grams:
-0.05	a b a
-0.06	<s> a A

\end\
"""


@pytest.fixture
def load(tmp_path):
    """`load(text)`: the vocabulary, and the model of an ARPA text."""

    def load_text(text, encoding="utf-8", **special_words):
        path = tmp_path / "model.arpa"
        path.write_text(text, encoding=encoding)
        vocabulary, sizes = read_arpa(
            str(path), tmp_path, ArpaReading(encoding=encoding, specials=SpecialWords(**special_words))
        )
        return vocabulary, NgramLanguageModel(open_tables(tmp_path, sizes))

    return load_text


def log10_prob(vocabulary, model, context, word):
    """Of a word after others; "<s>" stands for the start of a sentence."""
    ids = [SENTENCE_END_ID if name == "<s>" else vocabulary.encode([name])[0] for name in context]
    state = model.advance(model.null_state(1), np.array(ids, dtype=np.int64)[:, None])
    target = SENTENCE_END_ID if word == "</s>" else vocabulary.encode([word])[0]
    return model.log_probs(state)[0, target] / math.log(10)


def test_words_get_ids_by_falling_probability_then_by_code_point(load):
    vocabulary, _ = load(ARPA)

    assert vocabulary.words == ("<unk>", "</s>", "b", "A", "a")
    assert vocabulary.counts == (0,) * 5


@pytest.mark.parametrize(
    ("context", "word", "expected"),
    [
        ([], "a", -0.75),
        (["b"], "a", -0.2),
        (["<s>"], "a", -0.1),
        (["<s>"], "b", -0.5 - 0.5),
        (["<s>", "a"], "A", -0.06),
        # <s> a backs off to a, which backs off to the unigram.
        (["<s>", "a"], "</s>", -0.3 - 0.25 - 0.7),
        (["A", "a"], "b", -0.25 - 0.5),
        (["b"], "</s>", -0.3),
        (["a", "b"], "a", -0.05),
        # "a b" was put in; its back-off is 1.
        (["a", "b"], "</s>", -0.3),
        (["a", "b"], "A", -0.125 - 0.75),
        # The probability of b after a is what it was without it: that of b, after backing off from a.
        (["a"], "b", -0.25 - 0.5),
        (["<s>", "a"], "b", -0.3 - 0.25 - 0.5),
        (["zebra"], "zebra", -1.5),
    ],
)
def test_probabilities_are_those_of_the_file(load, context, word, expected):
    # Sums by hand over the lines of the file, as ngram-format(5) says.
    vocabulary, model = load(ARPA)

    assert log10_prob(vocabulary, model, context, word) == pytest.approx(expected, abs=1e-6)
    assert model.sizes.ngrams == [5, 5, 2]


def test_lengths_and_terms_are_those_of_the_ngrams_that_were_found(load):
    # "<s> a" is a bigram, "<s> a A" a trigram; "</s>" after them backs off from "a A" and from "A".
    vocabulary, model = load(ARPA)
    a, upper_a = vocabulary.encode(["a", "A"])
    inputs, targets = np.array([[SENTENCE_END_ID], [a], [upper_a]]), np.array([[a], [upper_a], [SENTENCE_END_ID]])

    scores, _ = model.score(inputs, targets, np.array([3]), model.null_state(1))

    assert scores.ngram_lengths.tolist() == [[2], [3], [1]]
    log10s = scores.ngram_terms[:, :, 0] / math.log(10)
    np.testing.assert_allclose(log10s, [[-0.1, -0.06, -0.7], [0, 0, -0.0625], [0, 0, -0.6]], atol=1e-6)
    np.testing.assert_allclose(scores.log_probs, scores.ngram_terms.sum(axis=0), atol=1e-6)


def test_contexts_of_contexts_are_put_in_too(load):
    # Of order 4, with no trigram or bigram that it starts with.
    vocabulary, model = load(
        "\\data\\\nngram 1=4\nngram 2=1\nngram 3=0\nngram 4=1\n\n\\1-grams:\n-99\t<s>\t-0.5\n-0.7\t</s>\n"
        "-0.5\ta\t-0.25\n-0.6\tb\t-0.125\n\n\\2-grams:\n-0.3\tb a\t-0.0625\n\n\\3-grams:\n\n\\4-grams:\n"
        "-0.01\ta b a b\n\n\\end\\\n"
    )

    assert model.sizes.ngrams == [4, 2, 1, 1]
    assert log10_prob(vocabulary, model, ["a", "b", "a"], "b") == pytest.approx(-0.01)
    # a b was put in with -0.25 - 0.6; a b a with that of b a, whose context a b costs nothing.
    assert log10_prob(vocabulary, model, ["a"], "b") == pytest.approx(-0.85)
    assert log10_prob(vocabulary, model, ["a", "b"], "a") == pytest.approx(-0.3)
    assert log10_prob(vocabulary, model, ["a", "b", "a"], "</s>") == pytest.approx(-0.0625 - 0.25 - 0.7)


def test_a_context_that_is_not_missing_after_all_keeps_its_own_line(load):
    # The trigram "a b a" stands in the file though its context does not.
    text = ARPA.replace("ngram 3=2", "ngram 3=2\nngram 4=1").replace(
        "\\end", "\\4-grams:\n-0.02\ta b a A\n\n\\end"
    )

    vocabulary, model = load(text)

    assert model.sizes.ngrams == [5, 5, 2, 1]
    assert log10_prob(vocabulary, model, ["a", "b"], "a") == pytest.approx(-0.05)
    assert log10_prob(vocabulary, model, ["a", "b", "a"], "A") == pytest.approx(-0.02)


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


def test_a_high_order_is_read(load):
    # Of one sentence of nine words, every n-gram that starts with <s>; phonetisaurus-train asks for order 8.
    order, words = 10, ["<s>", *"abcdefgh", "</s>"]
    sections = [
        f"\\{n}-grams:\n-0.{n:02}\t{' '.join(words[:n])}\t{'' if n == order else -0.5}" for n in range(2, 11)
    ]
    unigrams = "".join(f"-1\t{word}\t-0.25\n" for word in words)
    counts = "".join(f"ngram {n}={10 if n == 1 else 1}\n" for n in range(1, 11))

    vocabulary, model = load(f"\\data\\\n{counts}\\1-grams:\n{unigrams}" + "\n".join(sections) + "\n\\end\\\n")

    assert model.sizes.order == 10
    assert log10_prob(vocabulary, model, words[:9], "</s>") == pytest.approx(-0.10, abs=1e-6)
    # Back-offs of the contexts of 9 words down to 2 do not apply: none of them ends in a, but h alone does.
    assert log10_prob(vocabulary, model, words[:9], "a") == pytest.approx(-0.5 - 0.25 - 1, abs=1e-6)


def test_what_was_escaped_is_given_back(tmp_path, load):
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
def test_what_stands_for_zero_is_zero(load, zero):
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
def test_what_does_not_fit_is_refused(load, tmp_path, old, new, message):
    with pytest.raises(DataError, match=message):
        load(ARPA.replace(old, new))
    assert not list(tmp_path.glob("*.npy"))


def test_without_a_start_a_sentence_starts_after_nothing(load, caplog):
    text = ARPA.replace("1=6", "1=5").replace("2=4", "2=3").replace("3=2", "3=1")
    text = "".join(line for line in text.splitlines(keepends=True) if "<s>" not in line)

    vocabulary, model = load(text)

    assert log10_prob(vocabulary, model, ["<s>"], "b") == pytest.approx(-0.5)
    assert "no <s> among the unigrams; it has a back-off of 0" in caplog.text


def same_model(vocabulary, tables, folder):
    """A model after it was written and read again: its vocabulary, and itself."""
    path = folder / "model.arpa"
    with path.open("wb") as file:
        write_arpa(tables, WordSpelling(vocabulary.words), file)
    again, sizes = read_arpa(str(path), folder)
    assert sizes.ngrams == tables.sizes.ngrams
    return again, NgramLanguageModel(open_tables(folder, sizes))


@settings(max_examples=60)
@given(
    sentences=st.lists(st.lists(st.sampled_from("abcd"), max_size=5).map(" ".join), min_size=1, max_size=8),
    order=st.integers(1, 4),
    smoothing=st.sampled_from(["kneser-ney", "mle"]),
)
def test_distributions_survive_the_round_trip(estimate_text, sentences, order, smoothing):
    text = "\n".join(sentences) + "\n"
    vocabulary, tables = estimate_text(text, order=order, smoothing=smoothing)
    model = NgramLanguageModel(tables)
    generator = np.random.default_rng(len(text))
    contexts = generator.integers(0, len(vocabulary), size=(5, 20))

    with tempfile.TemporaryDirectory() as folder:
        again, other = same_model(vocabulary, tables, Path(folder))
        # Ids differ: theirs are by probability, ours by count.
        ids = np.array([again.words.index(word) for word in vocabulary.words])
        theirs = other.log_probs(other.advance(other.initial_state(20), ids[contexts]))[:, ids]

    ours = model.log_probs(model.advance(model.initial_state(20), contexts))
    np.testing.assert_allclose(theirs, ours, rtol=1e-6, atol=1e-6)


@settings(max_examples=300)
@given(
    faults=st.lists(
        st.tuples(
            st.integers(0, len(ARPA) - 1),
            st.integers(0, 12),
            st.sampled_from(["", "\n", "\t", "9", "-", "b", "\\", "é"]),
        ),
        min_size=1,
        max_size=3,
    )
)
def test_a_damaged_file_is_refused_or_is_a_model(faults):
    text = ARPA
    for at, length, instead in faults:
        text = text[:at] + instead + text[at + length :]

    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", lambda _: None)
        path = Path(folder) / "model.arpa"
        path.write_text(text, encoding="utf-8")
        try:
            _, sizes = read_arpa(str(path), Path(folder))
        except DataError as error:
            assert str(error).startswith(str(path))  # noqa: PT017 - most files are refused, but not all
            return
        model = NgramLanguageModel(open_tables(Path(folder), sizes))

    words, log_probs = model.top_k(model.initial_state(1), 10)
    assert len(set(words[0].tolist())) == sizes.vocabulary_size
    assert not np.isnan(log_probs).any()
