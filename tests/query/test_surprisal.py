import math

import numpy as np
import pytest

from lmctl.errors import UsageError
from lmctl.query.surprisal import Item, surprisals
from lmctl.text.subword_training import train_subwords

# log2 10: the bits of a log10.
BITS = math.log2(10)


def of_lines(model, lines, **settings):
    items = [line if isinstance(line, Item) else Item(number, line) for number, line in enumerate(lines, start=1)]
    return [words for batch in surprisals(model, [items], **settings) for _, words in batch]


@pytest.fixture
def words_model(make_model):
    """A model whose segmenter takes punctuation apart."""
    return make_model(words=("he", "said", ",", "well", "-", "known", '"', "."), segmenter="words")


def test_a_uniform_model_has_log2_v_bits_everywhere(uniform):
    (words,) = of_lines(uniform, ["the cat"], entropy=True)

    assert [(word.word, word.start, word.end, word.index) for word in words] == [
        ("the", 0, 3, 1),
        ("cat", 4, 7, 2),
        ("</s>", 7, 7, 3),
    ]
    assert [word.bits for word in words] == pytest.approx([math.log2(9)] * 3)
    assert [word.entropy for word in words] == pytest.approx([math.log2(9)] * 3)


@pytest.mark.parametrize("state", ["reset", "carry"])
def test_surprisals_are_the_log_probabilities_of_the_words(model, state):
    lines = ["the cat sat", "", "on the zebra"]
    found = of_lines(model, lines, state=state)

    first, second = ([word.bits for word in words] for words in (found[0], found[2]))
    assert found[1] == []
    assert first == pytest.approx(-model.score("the cat sat").log_probs / math.log(2))
    assert [word.oov for word in found[2]] == [False, False, True, False]
    alone = -model.score("on the zebra").log_probs / math.log(2)
    assert (second == pytest.approx(alone)) == (state == "reset")


def test_entropy_is_that_of_the_distribution_before_the_word(model):
    (words,) = of_lines(model, ["the cat"], entropy=True)

    for word, context in zip(words, ["", "the", "the cat"], strict=True):
        log_probs = model.log_probs(context).astype(np.float64)
        assert word.entropy == pytest.approx(-(np.exp(log_probs) * log_probs).sum() / math.log(2), rel=1e-5)


def test_a_context_is_read_and_not_reported(model):
    (words,) = of_lines(model, [Item(1, "on the", "the cat sat")])

    # The context is a sentence that ends before this one.
    after = of_lines(model, ["the cat sat", "on the"], state="carry")[1]
    assert [word.bits for word in words] == pytest.approx([word.bits for word in after])
    assert [word.word for word in words] == ["on", "the", "</s>"]


def test_tokens_of_a_given_word_are_added(words_model):
    line = 'he said,  "well-known."'
    (tokens,) = of_lines(words_model, [line])
    bits = {(word.start, word.end): word.bits for word in tokens}

    (attached,) = of_lines(words_model, [line], words="given", sentence_end=False)
    assert [(word.word, word.start, word.end) for word in attached] == [
        ("he", 0, 2),
        ("said,", 3, 8),
        ('"well-known."', 10, 23),
    ]
    inside = [bits[place] for place in [(10, 11), (11, 15), (15, 16), (16, 21), (21, 22), (22, 23)]]
    assert [word.bits for word in attached] == pytest.approx(
        [bits[0, 2], bits[3, 7] + bits[7, 8], math.fsum(inside)]
    )

    (apart,) = of_lines(words_model, [line], words="given_without_punctuation", sentence_end=False)
    assert [word.word for word in apart] == ["he", "said", ",", '"', "well-known", ".", '"']
    assert apart[4].bits == pytest.approx(math.fsum(inside[1:4]))


def test_a_given_word_has_the_entropy_of_its_first_token_and_any_oov(words_model):
    (tokens,) = of_lines(words_model, ["he well-zebra"], entropy=True)
    (given,) = of_lines(words_model, ["he well-zebra"], entropy=True, words="given")

    assert [word.entropy for word in given] == [tokens[0].entropy, tokens[1].entropy, tokens[4].entropy]
    assert [word.oov for word in given] == [False, True, False]


def test_given_words_keep_their_numbers_if_stop_words_are_left_out(make_model):
    model = make_model(words=("he", "said", ",", "no", "-"), segmenter="words", stop_words=("no", "the"))
    line = "the he said, no-no the"

    (given,) = of_lines(model, [line], words="given")
    assert [(word.index, word.word) for word in given] == [(2, "he"), (3, "said,"), (4, "no-no"), (6, "</s>")]

    (apart,) = of_lines(model, [line], words="given_without_punctuation")
    assert [(word.index, word.word) for word in apart] == [
        (2, "he"),
        (3, "said"),
        (4, ","),
        (5, "-"),
        (7, "</s>"),
    ]


def test_places_are_those_of_the_line_before_normalization(make_model):
    model = make_model(words=("caf\u00e9", "x"), segmenter="words")
    (words,) = of_lines(model, ["  cafe\u0301 x"])
    assert [(word.word, word.start, word.end, word.oov) for word in words] == [
        ("cafe\u0301", 2, 7, False),
        ("x", 8, 9, False),
        ("</s>", 9, 9, False),
    ]


def test_batches_are_answered_in_order_and_blank_lines_are_empty(model):
    batches = [[Item(1, ""), Item(2, "the cat")], [Item(3, " ")], [Item(4, "dog"), Item(5, "")]]
    found = [(item.line, len(words)) for batch in surprisals(model, batches) for item, words in batch]
    assert found == [(1, 0), (2, 3), (3, 0), (4, 2), (5, 0)]


def test_a_carried_state_takes_no_context(model):
    with pytest.raises(UsageError, match="takes no other context"):
        of_lines(model, [Item(1, "the", "cat")], state="carry")


def test_a_model_of_gaps_has_no_surprisal(make_model):
    with pytest.raises(UsageError, match="lmctl fill"):
        of_lines(make_model(family="masked"), ["the cat"])


def test_a_vowel_sign_or_an_accent_is_no_punctuation_mark(make_model):
    """UAX #29, GB9: a mark belongs to the character before it. Here each is a token."""
    model = make_model(words=("\u0915", "\u0940", "\u0964", "q", "\u0301", '"'), segmenter="char")
    line = '"\u0915\u0940"\u0964 q\u0301'

    (apart,) = of_lines(model, [line], words="given_without_punctuation", sentence_end=False)

    assert [(word.index, word.word, word.start, word.end) for word in apart] == [
        (1, '"', 0, 1),
        (2, "\u0915\u0940", 1, 3),
        (3, '"', 3, 4),
        (4, "\u0964", 4, 5),
        (5, "q\u0301", 6, 8),
    ]
    (tokens,) = of_lines(model, [line], sentence_end=False)
    assert apart[1].bits == pytest.approx(tokens[1].bits + tokens[2].bits)
    # In NFC, U+0344 is two marks, and each of the three tokens reaches over the whole character.
    (apart,) = of_lines(model, ["q,\u0344"], words="given_without_punctuation", sentence_end=False)
    assert [(word.index, word.word) for word in apart] == [(1, "q"), (2, ",\u0344")]


@pytest.fixture
def pieces_model(make_model):
    """A model of pieces; `▁` and `x` are apart, since SentencePiece has not seen ` x`."""
    trained = train_subwords(["the (ab) ab, b", "ax xa. (b)"], 20, "bpe")
    words = ("▁the", "▁", "▁(", "x", "ab", "b", ")", ",", ".")
    return make_model(words=words, segmenter="sentencepiece", subword_model=trained)


def test_a_token_without_characters_has_its_own_name(pieces_model):
    (words,) = of_lines(pieces_model, ["x b"])

    assert [(word.word, word.start, word.end) for word in words][:2] == [("▁", 0, 0), ("x", 0, 1)]
    assert [word.word for word in words].count("</s>") == 1


def test_a_boundary_is_no_punctuation_mark(pieces_model):
    line = "x, (x)."
    (apart,) = of_lines(pieces_model, [line], words="given_without_punctuation")
    (tokens,) = of_lines(pieces_model, [line])

    assert [word.word for word in apart] == ["x", ",", "(", "x", ")", ".", "</s>"]
    assert [word.index for word in apart] == [1, 2, 3, 4, 5, 6, 7]
    assert [word.word for word in tokens][:2] == ["▁", "x"]
    assert apart[0].bits == pytest.approx(tokens[0].bits + tokens[1].bits)
    assert sum(word.bits for word in apart) == pytest.approx(sum(word.bits for word in tokens))
