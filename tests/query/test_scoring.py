import math

import msgspec
import numpy as np
import pytest

from lmctl.query import batching, window_scoring
from lmctl.query.metrics import Tally
from lmctl.query.scoring import score_batches, score_sentences, token_log_probs

WORDS = ("the", "cat", "sat", "on", "mat", "dog", ".", "unheard-of")


def make_lines(count=30, longest=12):
    """Sentences of 0 to `longest` words, one in eight of them out of vocabulary."""
    generator = np.random.default_rng(11)
    return [" ".join(generator.choice(WORDS, generator.integers(0, longest + 1))) for _ in range(count)]


def log_probs(scores):
    return np.concatenate([score.log_probs for score in scores])


@pytest.mark.parametrize("window", [1, 1 << 15])
@pytest.mark.parametrize("state", ["reset", "carry"])
def test_an_id_stream_is_scored_as_its_sentences_are(model, monkeypatch, state, window):
    monkeypatch.setattr(window_scoring, "WINDOW_TOKENS", window)
    scores = list(score_sentences(model, make_lines(), state=state, blank_lines="keep"))
    token_ids = np.array([token for score in scores for token in score.token_ids])

    found = token_log_probs(model.language_model, token_ids, state=state)

    np.testing.assert_allclose(found, log_probs(scores), atol=1e-6)
    assert token_log_probs(model.language_model, token_ids[:0], state=state).shape == (0,)


def test_a_sentence_is_the_product_of_its_conditional_probabilities(model):
    score = model.score("the cat")

    the, cat = model.vocabulary.encode(["the", "cat"])
    expected = [model.log_probs("")[the], model.log_probs("the")[cat], model.log_probs("the cat")[1]]
    assert score.words == ["the", "cat"]
    assert score.token_ids == [the, cat, 1]
    np.testing.assert_allclose(score.log_probs, expected, atol=1e-6)
    assert score.total_log_prob == pytest.approx(float(np.sum(expected)), abs=1e-5)


def test_an_oov_is_scored_as_unk_and_still_conditions_what_follows(model):
    score = model.score("the zebra sat")

    assert score.oov == 1
    assert score.words[1] == "zebra"
    assert score.log_probs[1] == pytest.approx(model.log_probs("the")[0], abs=1e-6)
    sat = model.vocabulary.encode(["sat"])[0]
    assert score.log_probs[2] == pytest.approx(model.log_probs("the zebra")[sat], abs=1e-6)
    assert abs(score.log_probs[2] - model.log_probs("the")[sat]) > 1e-3


@pytest.mark.parametrize("state", ["reset", "carry"])
def test_a_uniform_model_has_perplexity_v_including_and_excluding_oovs(uniform, state):
    tally = Tally(None)
    for score in score_sentences(uniform, make_lines(), state=state):
        tally.add(score)

    found = tally.figures(9, state)

    assert found.oov > 0
    assert found.perplexity == pytest.approx(9.0)
    assert found.perplexity_excluding_oov == pytest.approx(9.0)


@pytest.mark.parametrize("state", ["reset", "carry"])
@pytest.mark.parametrize(
    ("window_tokens", "batch_tokens", "largest_batch"),
    [(1, 1 << 13, 64), (20, 1 << 13, 64), (1 << 15, 1, 64), (1 << 15, 7, 64), (1 << 15, 40, 64), (50, 9, 3)],
)
def test_sizes_of_windows_and_batches_change_nothing(
    model, monkeypatch, state, window_tokens, batch_tokens, largest_batch
):
    lines = make_lines()
    expected = list(score_sentences(model, lines, state=state, blank_lines="keep", ranks=True))

    monkeypatch.setattr(window_scoring, "WINDOW_TOKENS", window_tokens)
    monkeypatch.setattr(batching, "BATCH_TOKENS", batch_tokens)
    monkeypatch.setattr(batching, "LARGEST_BATCH", largest_batch)
    found = list(score_sentences(model, lines, state=state, blank_lines="keep", ranks=True))

    assert [score.words for score in found] == [line.split() for line in lines]
    assert [len(score.log_probs) for score in found] == [len(line.split()) + 1 for line in lines]
    np.testing.assert_allclose(log_probs(found), log_probs(expected), atol=1e-5)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one.ranks, other.ranks)


def test_a_sentence_scores_alone_as_in_company(model):
    lines = make_lines()

    together = score_sentences(model, lines, blank_lines="keep")

    for line, score in zip(lines, together, strict=True):
        np.testing.assert_allclose(score.log_probs, model.score(line).log_probs, atol=1e-5)


def test_a_sentence_longer_than_a_batch_is_scored_whole(model, monkeypatch):
    line = " ".join(make_lines(40))
    words = line.split()
    assert len(words) == 200
    expected = model.score(line).log_probs

    monkeypatch.setattr(batching, "BATCH_TOKENS", 16)
    found = model.score(line).log_probs

    np.testing.assert_allclose(found, expected, atol=1e-5)
    # The probability of the last word is computed after all words before it.
    last = model.vocabulary.encode(words[-1:])[0]
    assert found[-2] == pytest.approx(model.log_probs(" ".join(words[:-1]))[last], abs=1e-4)


def test_carried_each_sentence_continues_where_the_last_one_ended(model):
    lines = ["the cat sat", "on", "the mat ."]
    stream = [token for line in lines for token in (*model.vocabulary.encode(line.split()), 1)]

    found = list(score_sentences(model, lines, state="carry"))

    inputs, targets = np.array([1, *stream[:-1]])[:, None], np.array(stream)[:, None]
    language_model = model.language_model
    expected, _ = language_model.score(inputs, targets, np.array([len(stream)]), language_model.null_state(1))
    np.testing.assert_allclose(log_probs(found), expected.log_probs[:, 0], atol=1e-5)
    assert [len(score.log_probs) for score in found] == [4, 2, 4]
    # The first sentence has nothing before it; the second has, and differs.
    np.testing.assert_allclose(found[0].log_probs, model.score(lines[0]).log_probs, atol=1e-6)
    assert np.abs(found[1].log_probs - model.score(lines[1]).log_probs).max() > 1e-3


@pytest.mark.parametrize(("blank_lines", "words"), [("drop", [1, 2]), ("keep", [0, 1, 0, 2, 0])])
def test_blank_lines_are_dropped_or_each_a_lone_sentence_end(model, blank_lines, words):
    lines = ["", "the", " \t", "the cat", ""]

    found = list(score_sentences(model, lines, blank_lines=blank_lines))

    assert [len(score.words) for score in found] == words
    assert [score.token_ids[-1] for score in found] == [1] * len(words)
    if blank_lines == "keep":
        assert found[0].log_probs == pytest.approx([model.log_probs("")[1]], abs=1e-6)
        assert found[2].characters == 3


@pytest.mark.parametrize(("trained_with", "sentences"), [("drop", 1), ("keep", 2)])
def test_blank_lines_are_by_default_treated_as_in_training(model, trained_with, sentences):
    record = model.bundle.record
    recipe = msgspec.structs.replace(record.recipe, blank_lines=trained_with)
    model.bundle.record = msgspec.structs.replace(record, recipe=recipe)

    assert len(list(score_sentences(model, ["", "the"]))) == sentences


def test_characters_are_code_points_of_the_line_and_its_end(model):
    # An e and a combining accent are one character after NFC.
    assert model.score("cafe\u0301  the").characters == len("caf\u00e9  the") + 1


def test_ranks_are_places_in_the_full_distribution(model):
    (score,) = score_sentences(model, ["the cat"], ranks=True)

    for place, context in enumerate(["", "the", "the cat"]):
        distribution = model.log_probs(context)
        assert score.ranks[place] == np.count_nonzero(distribution >= distribution[score.token_ids[place]])
    assert model.score("the cat").ranks is None


def test_in_a_uniform_model_every_rank_is_the_last(uniform):
    (score,) = score_sentences(uniform, ["the cat"], ranks=True)

    assert score.ranks.tolist() == [9, 9, 9]
    assert score.log_probs == pytest.approx([-math.log(9)] * 3)


def test_lines_are_read_as_they_are_needed(model, monkeypatch):
    monkeypatch.setattr(window_scoring, "WINDOW_TOKENS", 4)
    read = []

    def lines():
        for number in range(100):
            read.append(number)
            yield "the cat sat"

    next(score_sentences(model, lines()))

    assert read == [0]


def test_no_lines_give_no_scores(model):
    assert list(score_sentences(model, [])) == []


def test_batches_are_scored_in_parallel_if_blas_has_one_thread(model, monkeypatch):
    lines = make_lines(400)
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "2")
    assert window_scoring.scoring_threads() == 1
    one_after_another = log_probs(score_sentences(model, lines))

    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1, 2})
    assert window_scoring.scoring_threads() == 3

    np.testing.assert_array_equal(log_probs(score_sentences(model, lines)), one_after_another)


@pytest.mark.parametrize("state", ["reset", "carry"])
def test_the_figures_of_a_window_are_those_of_its_sentences(model, state):
    sentences, windows = (Tally(model.characters, [1, 3]) for _ in range(2))
    for window in score_batches(model, [make_lines(), make_lines(3)], state=state, ranks=True):
        windows.add_window(window)
        for place, score in enumerate(window):
            sentences.add(score)
            assert window[place].log_probs.tolist() == score.log_probs.tolist()

    assert windows.oov > 0
    assert windows.figures(9, state) == sentences.figures(9, state)
