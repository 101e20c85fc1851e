import math

import numpy as np
import pytest

from lmctl.corpus.characters import ALPHABET_SIZE, CharacterUnigram
from lmctl.query.metrics import Tally, sums_of_sentences, surprisal_bits
from lmctl.query.sentence_scores import SentenceScore

OOV, END, KNOWN = 0, 1, 2


def scored(words, token_ids, probabilities, ranks=None, characters=None):
    return SentenceScore(
        words.split(),
        [*token_ids, END],
        np.log(probabilities),
        None if ranks is None else np.array(ranks),
        len(words) + 1 if characters is None else characters,
    )


def figures(*scores, spelling=None, accuracy_at=()):
    tally = Tally(spelling, accuracy_at)
    for score in scores:
        tally.add(score)
    return tally.figures(9, "reset")


# "a zz" and its end, zz out of vocabulary: probabilities 1/2, 1/8 and 1/4.
A_ZZ = scored("a zz", [KNOWN, OOV], [1 / 2, 1 / 8, 1 / 4])


def test_counts_of_words_sentences_and_tokens():
    found = figures(A_ZZ, scored("", [], [1 / 2]))

    assert (found.sentences, found.words, found.oov, found.tokens) == (2, 2, 1, 4)
    assert found.oov_rate == 0.5
    assert found.characters == 5 + 1
    assert (found.vocabulary_size, found.state) == (9, "reset")


def test_perplexity_including_oovs_is_over_words_and_sentence_ends():
    found = figures(A_ZZ)

    # KenLM: 10^(-L / (W + S)); L = log10(1/64), so the cube root of 64.
    assert found.logprob10 == pytest.approx(-math.log10(64))
    assert found.perplexity == pytest.approx(4.0)
    assert found.cross_entropy_nats == pytest.approx(math.log(4.0))


def test_perplexity_excluding_oovs_leaves_them_out_of_sum_and_count():
    # KenLM "excluding OOVs" and SRILM ppl: of 1/2 and 1/4, 10^(-log10(1/8) / (W - O + S)), the root of 8.
    assert figures(A_ZZ).perplexity_excluding_oov == pytest.approx(math.sqrt(8.0))


def test_ppl1_leaves_the_sentence_end_out_of_the_denominator_alone():
    # SRILM: 10^(-log10(1/8) / (W - O)), the end still in the sum.
    assert figures(A_ZZ).ppl1 == pytest.approx(8.0)


def test_ppl1_of_no_known_word_is_infinite():
    assert figures(scored("zz", [OOV], [1 / 8, 1 / 4])).ppl1 == math.inf


def test_blank_lines_alone_have_a_perplexity():
    found = figures(scored("", [], [1 / 2]), scored("", [], [1 / 8]))

    assert found.perplexity == found.perplexity_excluding_oov == pytest.approx(4.0)
    assert found.oov_rate == 0.0
    assert found.ppl1 == math.inf


def test_sentences_are_added_up_before_the_perplexity_is_taken():
    short, long = scored("", [], [1 / 2]), scored("a a", [KNOWN, KNOWN], [1 / 16, 1 / 16, 1 / 16])

    found = figures(short, long)

    # 2^((1 + 12) / 4) = 9.51; the mean of the sentences' perplexities, 2 and 16, would be 9.
    assert found.perplexity == pytest.approx(2 ** (13 / 4))


@pytest.mark.parametrize("probability_nats", [-800.0, -np.inf])
def test_a_perplexity_that_no_float_holds_is_infinite(probability_nats):
    found = figures(SentenceScore(["a"], [KNOWN, END], np.array([probability_nats] * 2), None, 2))

    assert found.perplexity == found.perplexity_excluding_oov == found.ppl1 == math.inf
    assert found.cross_entropy_nats == -probability_nats


def test_bits_per_character_add_the_spelling_of_each_oov_to_the_code_length():
    # Counts that make the unigram's total 2^21: of it, z has 2^17 with the one added, and the end of a word 2^18.
    counts = {"z": 2**17 - 1, "e": 2**21 - ALPHABET_SIZE - (2**17 - 1) - (2**18 - 1)}
    spelling = CharacterUnigram(counts, words=2**18 - 1)

    found = figures(A_ZZ, spelling=spelling)

    # 1/2 * 1/8 * 1/4 is 6 bits; zz and its end are 4 + 4 + 3; "a zz" and its line end are 5 characters.
    assert found.bits_per_character == pytest.approx((6 + 11) / 5)


def test_without_oovs_bits_per_character_are_the_code_length_alone():
    found = figures(scored("a", [KNOWN], [1 / 4, 1 / 4]), spelling=CharacterUnigram({}, 0))

    assert found.bits_per_character == pytest.approx(4 / 2)


def test_without_a_spelling_there_are_no_bits_per_character():
    assert figures(A_ZZ).bits_per_character is None


def test_accuracy_and_reciprocal_rank_count_an_oov_as_a_miss():
    # `<unk>` has rank 1 where zz stands, and that is no answer; a has rank 2 and the end rank 4.
    score = scored("a zz", [KNOWN, OOV], [1 / 2, 1 / 8, 1 / 4], ranks=[2, 1, 4])

    found = figures(score, scored("", [], [1 / 2], ranks=[1]), accuracy_at=(1, 3, 10))

    assert found.accuracy == {"1": 1 / 4, "3": 2 / 4, "10": 3 / 4}
    assert found.mean_reciprocal_rank == pytest.approx((1 / 2 + 1 / 4 + 1) / 4)


def test_without_ranks_there_is_no_accuracy():
    found = figures(A_ZZ)

    assert found.accuracy is None
    assert found.mean_reciprocal_rank is None


def test_words_of_probability_0_are_counted_and_left_out_of_srilms_figures():
    # SRILM, lm/src/TextStats.cc: the denominators are W + S - O - Z and, for ppl1, W - O - Z.
    with np.errstate(divide="ignore"):
        found = figures(scored("a zz b", [KNOWN, OOV, KNOWN], [0.1, 0.5, 0.0, 0.001]))

    assert (found.zeroprobs, found.oov, found.tokens) == (1, 1, 4)
    assert found.srilm_logprob10 == pytest.approx(-4.0)
    assert found.srilm_ppl == pytest.approx(10**2)
    assert found.ppl1 == pytest.approx(10**4)
    assert found.perplexity == found.perplexity_excluding_oov == math.inf


def test_an_oov_of_probability_0_makes_no_figure_of_the_others_nan():
    with np.errstate(divide="ignore"):
        found = figures(scored("a zz", [KNOWN, OOV], [0.1, 0.0, 0.1]))

    assert found.perplexity == math.inf
    assert found.perplexity_excluding_oov == pytest.approx(10.0)
    assert found.zeroprobs == 0


def test_a_certain_text_has_logarithms_of_0_and_no_minus():
    found = figures(scored("a b", [KNOWN, KNOWN], [1.0, 1.0, 1.0]))

    logarithms = (found.logprob10, found.logprob10_excluding_oov, found.srilm_logprob10, surprisal_bits(0.0))
    assert list(map(str, logarithms)) == ["0.0"] * 4


@pytest.mark.parametrize("some", [False, True])
def test_sums_of_sentences_have_the_bits_of_their_sums_alone(some):
    generator = np.random.default_rng(5)
    # NumPy sums up to 8 and up to 128 values in other ways than more values.
    lengths = np.concatenate([np.arange(1, 300), [1, 1000]])
    values = -generator.exponential(3.0, lengths.sum())
    there = generator.random(len(values)) < 0.7 if some else np.ones(len(values), dtype=bool)
    sentences = [slice(end - length, end) for length, end in zip(lengths, np.cumsum(lengths), strict=True)]

    found = sums_of_sentences(values, lengths, there if some else None)

    assert found.tolist() == [values[each][there[each]].sum() for each in sentences]
