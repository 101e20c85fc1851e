"""The contract of a family, tested for every registered one: families of lmctl, and a toy family."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import numpy as np
import pytest
from filelock import FileLock
from waiting import LONGEST_SECONDS

from lmctl import families
from lmctl.config import config_from_yaml
from lmctl.corpus.vocabulary import SENTENCE_END_ID
from lmctl.errors import UsageError
from lmctl.families.family import NetworkOptions
from lmctl.query.filling import Filler
from lmctl.query.model import Model
from lmctl.query.scoring import score_sentences
from lmctl.store.bundle import open_bundle
from lmctl.store.figures import Metrics
from lmctl.store.verification import verify_bundle

ROOT = Path(__file__).parents[2]
TOY = ROOT / "tests/toy_family"
NAMES = (*families.BUILT_IN, "unigram")
TRAINED_NETWORKS = tuple(name for name in families.BUILT_IN if families.find(name).trains_network)
NETWORKS = tuple(name for name in TRAINED_NETWORKS if families.find(name).predicts_next_word)
FILLS_GAPS = tuple(name for name in families.BUILT_IN if not families.find(name).predicts_next_word)
NEXT_WORD = tuple(name for name in NAMES if name not in FILLS_GAPS)
# Whole trainings take long. In the short version, one network is killed and continued, and only families that are
# estimated learn the four sentences. Other tests do both with an LSTM. `make faults` runs all.
IS_LONG = os.environ.get("LMCTL_FAULTS") == "long"
TRAINED = TRAINED_NETWORKS if IS_LONG else ("hmm",)
NOT_COMBINED = tuple(name for name in families.BUILT_IN if not families.find(name).combines)
FITTED = NOT_COMBINED if IS_LONG else ("baumwelch", "ngram")


@pytest.fixture(scope="module", autouse=True)
def _toy_is_installed():
    """Put the package of the toy family on Python's path, as if pip had installed it."""
    sys.path.insert(0, str(TOY))
    families.clear_caches()
    yield
    sys.path.remove(str(TOY))
    families.clear_caches()


def start(*arguments):
    """The command, in a process that can import the toy family."""
    environment = {name: value for name, value in os.environ.items() if name != "LMCTL_MODEL"}
    return subprocess.Popen(
        [sys.executable, "-m", "lmctl", *map(str, arguments)],
        env=environment | {"PYTHONPATH": str(TOY)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def lmctl(*arguments):
    """Run the command, and return its output."""
    process = start(*arguments)
    out, err = process.communicate(timeout=LONGEST_SECONDS)
    assert process.returncode == 0, err
    return out


def settings(name):
    """Settings with which a model of a family is made quickly: a network is trained for a few steps."""
    few_steps = ["--set", "training.steps=20", "--set", "training.with_ngram=false"]
    if not families.find(name).trains_network:
        few_steps = []
    return ["--set", f"model.family={name}", *few_steps]


@pytest.fixture(scope="module")
def make_once(tmp_path_factory):
    """`make_once(name, make)`: a folder that `make(folder)` makes once for all processes of the test run."""
    base = tmp_path_factory.getbasetemp()
    # Each process of pytest-xdist has its own folder in the folder of the test run.
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "contract"
    folder.mkdir(exist_ok=True)

    def made(name, make):
        done = folder / f"{name}.done"
        with FileLock(folder / f"{name}.lock"):
            if not done.exists():
                make(folder / name)
                done.touch()
        return folder / name

    return made


@pytest.fixture(scope="module")
def corpus(make_once):
    """A prepared corpus. Models of several families that are made from it may be mixed."""
    return make_once("corpus", lambda folder: lmctl("prepare", ROOT / "corpora/en.txt", "-o", folder))


@pytest.fixture(scope="module")
def models(corpus, make_once):
    """`models(name)`: the folder of a model of a family, made by the command."""

    def mix(folder):
        members = [model(each) for each in NEXT_WORD if not families.find(each).combines]
        valid = folder.with_name("valid.txt")
        valid.write_text("".join((ROOT / "corpora/en.txt").read_text().splitlines(keepends=True)[::7]))
        lmctl("mix", *members, "-o", folder, "--valid", valid)

    def model(name):
        train = lambda folder: lmctl("train", corpus, "-o", folder, *settings(name))  # noqa: E731
        return make_once(name, mix if families.find(name).combines else train)

    return model


@pytest.mark.parametrize("name", FITTED)
def test_four_sentences_are_enough_text_with_a_warning(name, tmp_path):
    process = start(
        "train", ROOT / "corpora/four-sentences.txt", "-o", tmp_path / "model", "--set", f"model.family={name}"
    )
    _, err = process.communicate(timeout=LONGEST_SECONDS)

    assert process.returncode == 0, err
    assert "too little text to hold out" in err
    assert lmctl("fill", "-m", tmp_path / "model", "编程___一种艺术。", "-k", "1", "--format", "words") == "是\n"
    if name in FILLS_GAPS:
        return
    # It starts the second sentence, and follows 爱 in the middle of the first one.
    assert lmctl("predict", "-m", tmp_path / "model", "编程", "-k", "1", "--format", "words") == "是\n"


@pytest.fixture(params=NEXT_WORD)
def bundle(request, models):
    return open_bundle((models(request.param) / "current").resolve())


@pytest.fixture(params=FILLS_GAPS)
def gap_bundle(request, models):
    """A bundle of a family that does not predict the next word."""
    return open_bundle((models(request.param) / "current").resolve())


@pytest.fixture
def gap_model(gap_bundle):
    return families.load_model(gap_bundle)


@pytest.fixture
def texts(gap_model):
    """Texts of several lengths, a sentence each: random words, between `</s>`."""
    draw = np.random.default_rng(1)
    lengths = (7, 1, 3, 12, 7, gap_model.context + 20)
    words = [draw.integers(2, gap_model.vocabulary_size, length) for length in lengths]
    return [np.array([SENTENCE_END_ID, *some, SENTENCE_END_ID]) for some in words]


@pytest.fixture
def model(bundle):
    return families.load_language_model(bundle)


@pytest.fixture
def token_ids(model):
    """Random tokens, (7, 5)."""
    return np.random.default_rng(1).integers(0, model.vocabulary_size, (7, 5))


def test_a_bundle_names_its_family_and_is_sound(bundle, model):
    assert bundle.family in NAMES
    verify_bundle(bundle.folder)
    assert model.vocabulary_size == len(bundle.vocabulary())
    assert bundle.parameters() > 0
    assert families.find(bundle.family).describe(bundle.sizes)["family"].startswith(bundle.family)


def test_each_row_sums_to_one(model, token_ids):
    for state in (model.null_state(5), model.initial_state(5), model.advance(model.null_state(5), token_ids)):
        rows = np.exp(model.log_probs(state).astype(np.float64))

        assert rows.shape == (5, model.vocabulary_size)
        assert rows.sum(axis=1) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("cuts", [[1, 2, 3, 4, 5, 6], [3], [2, 2, 5]])
def test_a_text_that_is_read_in_pieces_leaves_the_state_of_one_that_is_read_at_once(model, token_ids, cuts):
    whole = model.log_probs(model.advance(model.initial_state(5), token_ids))

    state = model.initial_state(5)
    for piece in np.split(token_ids, cuts):
        state = model.advance(state, piece)

    np.testing.assert_array_equal(model.log_probs(state), whole)


def test_columns_of_other_lengths_are_answered_as_each_is_alone(model, token_ids):
    lengths = np.array([7, 0, 3, 1, 6])

    together = model.log_probs(model.advance(model.initial_state(5), token_ids, lengths))

    for column, length in enumerate(lengths):
        alone = model.advance(model.initial_state(1), token_ids[:length, column : column + 1])
        np.testing.assert_array_equal(together[column], model.log_probs(alone)[0])


def test_columns_that_are_selected_continue_as_they_would_have_beside_each_other(model, token_ids):
    columns = np.array([3, 0, 3])
    whole = model.log_probs(model.advance(model.initial_state(5), token_ids))

    selected = model.select_columns(model.advance(model.initial_state(5), token_ids[:4]), columns)

    np.testing.assert_array_equal(model.log_probs(model.advance(selected, token_ids[4:, columns])), whole[columns])


def test_tokens_before_the_context_length_change_nothing(model, token_ids):
    length = model.context_length
    if length is None:
        return
    ends = np.tile(token_ids[: min(length, 7), :1], (1, 5))
    assert len(ends) == length

    log_probs = model.log_probs(model.advance(model.initial_state(5), np.concatenate([token_ids, ends])))

    np.testing.assert_array_equal(log_probs, np.tile(log_probs[:1], (5, 1)))


def test_a_score_is_the_log_probability_of_the_target_and_a_rank_its_place(model, token_ids):
    inputs, targets, lengths = token_ids[:-1], token_ids[1:], np.array([6, 0, 2, 5, 6])
    state = model.initial_state(5)

    scores, after = model.score(inputs, targets, lengths, state, ranks=True)
    plain, _ = model.score(inputs, targets, lengths, state)

    along, _ = model.advance_with_log_probs(state, inputs, lengths)
    for column, length in enumerate(lengths):
        for step in range(length):
            row, target = along[step, column], targets[step, column]
            assert scores.log_probs[step, column] == pytest.approx(row[target], abs=1e-5)
            assert plain.log_probs[step, column] == pytest.approx(row[target], abs=1e-5)
            assert scores.ranks[step, column] == np.count_nonzero(row >= row[target])
        assert not scores.log_probs[length:, column].any()
        assert not scores.ranks[length:, column].any()
    np.testing.assert_array_equal(model.log_probs(after), model.log_probs(model.advance(state, inputs, lengths)))


@pytest.mark.parametrize("k", [0, 1, 3, 10**6])
def test_the_top_k_are_the_first_of_a_stable_sort(model, token_ids, k):
    state = model.advance(model.initial_state(5), token_ids)
    allowed = np.random.default_rng(2).random(model.vocabulary_size) < 0.7
    log_probs = model.log_probs(state)

    for mask in (None, allowed):
        ids, found = model.top_k(state, k, mask)

        candidates = np.arange(model.vocabulary_size) if mask is None else np.flatnonzero(mask)
        order = np.argsort(-log_probs[:, candidates], axis=1, kind="stable")[:, :k]
        np.testing.assert_array_equal(ids, candidates[order])
        np.testing.assert_allclose(found, np.take_along_axis(log_probs, ids, axis=1), atol=1e-5)


def test_features_are_a_vector_for_each_context_if_there_are_any(model, token_ids):
    if not model.has_features:
        with pytest.raises(NotImplementedError):
            model.features(model.null_state(5))
        return
    state = model.null_state(5)
    along, after = model.advance_with_features(state, token_ids)
    scores, _ = model.score(token_ids[:-1], token_ids[1:], np.full(5, 6), state, features=True)

    assert along.shape[:2] == token_ids.shape
    np.testing.assert_array_equal(model.features(after), along[-1])
    np.testing.assert_array_equal(scores.features, along[:-1])


def test_a_sentence_has_a_vector_that_is_the_same_in_any_company_if_there_are_features(model, token_ids):
    if not model.has_features:
        with pytest.raises(NotImplementedError):
            model.sentence_vectors(token_ids, np.full(5, 7))
        return
    lengths = np.array([7, 0, 3, 1, 6])

    vectors = model.sentence_vectors(token_ids, lengths)

    assert (vectors.ndim, len(vectors), vectors.dtype) == (2, 5, np.float32)
    assert np.isfinite(vectors).all()
    assert len(np.unique(vectors, axis=0)) == 5
    for column, length in enumerate(lengths):
        alone = model.sentence_vectors(token_ids[:length, column : column + 1], lengths[column : column + 1])
        np.testing.assert_array_equal(alone[0], vectors[column])


def test_figures_of_its_own_have_names_with_underscores_and_are_the_same_again(bundle, token_ids):
    family = families.find(bundle.family)
    text = np.concatenate([token_ids, np.full((1, 5), SENTENCE_END_ID)]).T.ravel()

    figures = family.own_figures(bundle, text)

    metrics = msgspec.convert({"own": figures}, Metrics)
    assert metrics.own == figures == family.own_figures(bundle, text)
    assert all(np.isfinite(value) for value in figures.values())
    assert family.own_figures_tokens(bundle.sizes, len(text)) >= 0


def test_word_vectors_are_finite_and_one_for_each_word_if_there_are_any(model):
    if not model.has_word_vectors:
        with pytest.raises(NotImplementedError):
            model.word_vectors()
        return
    vectors = model.word_vectors()

    assert (len(vectors), vectors.dtype) == (model.vocabulary_size, np.float32)
    assert np.isfinite(vectors).all()
    assert len(np.unique(vectors, axis=0)) > 1


@pytest.mark.parametrize("k", [3, 10**6])
def test_a_gap_is_filled_as_brute_force_over_the_vocabulary_fills_it(bundle, k):
    model = Model(bundle)
    words = model.vocabulary.words[2:]
    totals = np.array(
        [score.total_log_prob for score in score_sentences(model, [f"the {w} is good ." for w in words])]
    )
    log_probs = totals - np.logaddexp.reduce(totals)

    answer = Filler(model, k=k).answer("the ___ is good .")

    order = np.argsort(-log_probs, kind="stable")[:k]
    found = answer.predictions
    assert answer.exact
    assert len(found) == len(order)
    # Words whose probabilities differ only by rounding may change places.
    places = [words.index(each.word) for each in found]
    np.testing.assert_allclose(log_probs[places], log_probs[order], atol=1e-4)
    assert all(each.lower_logprob <= log_probs[place] + 1e-4 for each, place in zip(found, places, strict=True))
    assert all(each.logprob >= log_probs[place] - 1e-4 for each, place in zip(found, places, strict=True))


@pytest.mark.usefixtures("cpu")
@pytest.mark.parametrize("name", NETWORKS)
def test_the_network_and_the_runtime_agree(name, models):
    import tensorflow as tf

    bundle = open_bundle((models(name) / "current").resolve())
    model, family = families.load_language_model(bundle), families.find(name)
    token_ids = np.random.default_rng(3).integers(0, model.vocabulary_size, (9, 4)).astype(np.int32)
    config = config_from_yaml(bundle.read("config.yaml").decode()).model
    options = NetworkOptions(0.1, seed=5, precision="float32", is_gpu=False, token_ids=token_ids.ravel())
    network = family.network(bundle.sizes, config, options)
    network.import_weights(bundle.weights())

    nats, state = network.cross_entropy(
        tf.constant(token_ids[:-1]), tf.constant(token_ids[1:]), network.null_state(4), None
    )

    scores, _ = model.score(token_ids[:-1], token_ids[1:], np.full(4, 8), model.null_state(4))
    np.testing.assert_allclose(-nats.numpy(), scores.log_probs, atol=1e-4)
    # Columns that restart answer as after the null state; the others continue.
    restart = tf.constant([True, False, True, False])
    again, _ = network.cross_entropy(
        tf.constant(token_ids[:-1]), tf.constant(token_ids[1:]), network.restarted(state, restart), None
    )
    np.testing.assert_allclose(again.numpy()[:, [0, 2]], nats.numpy()[:, [0, 2]], atol=1e-5)


def test_a_model_that_fills_gaps_names_its_family_and_is_sound(gap_bundle, gap_model):
    verify_bundle(gap_bundle.folder)
    assert gap_model.vocabulary_size == len(gap_bundle.vocabulary())
    assert gap_bundle.parameters() > 0
    assert families.find(gap_bundle.family).describe(gap_bundle.sizes)["family"].startswith(gap_bundle.family)
    with pytest.raises(UsageError, match=r"has no distribution of the next word.*`lmctl fill`"):
        families.load_language_model(gap_bundle)


def test_the_probabilities_of_a_gap_sum_to_one_and_do_not_depend_on_the_word_in_it(gap_model, texts):
    gaps = np.array([1, 1, 3, 6, 7, 40])
    log_probs = gap_model.log_probs(texts, gaps)

    assert log_probs.shape == (6, gap_model.vocabulary_size)
    assert np.exp(log_probs.astype(np.float64)).sum(axis=1) == pytest.approx(1.0, abs=1e-5)
    others = [text.copy() for text in texts]
    for text, gap in zip(others, gaps, strict=True):
        text[gap] = 0
    np.testing.assert_array_equal(gap_model.log_probs(others, gaps), log_probs)


def test_texts_of_other_lengths_are_answered_as_each_is_alone(gap_model, texts):
    gaps = np.array([1, 1, 3, 6, 7, 40])
    log_probs, features = gap_model.log_probs(texts, gaps), gap_model.features(texts)
    scores, ranks = gap_model.score(texts, gaps, ranks=True)

    for place, (text, gap) in enumerate(zip(texts, gaps, strict=True)):
        one = np.array([gap])
        np.testing.assert_array_equal(gap_model.log_probs([text], one)[0], log_probs[place])
        np.testing.assert_array_equal(gap_model.features([text])[0], features[place])
        alone, rank = gap_model.score([text], one, ranks=True)
        assert (alone[0], rank[0]) == (scores[place], ranks[place])
        assert scores[place] == pytest.approx(log_probs[place, text[gap]], abs=1e-5)
        assert ranks[place] == np.count_nonzero(log_probs[place] >= log_probs[place, text[gap]])
        assert features[place].shape[0] == len(text)


@pytest.mark.parametrize("k", [3, 10**6])
def test_a_gap_is_filled_by_its_distribution_over_the_candidates(gap_bundle, gap_model, k):
    model = Model(gap_bundle)
    text = model.encode("the is good .").token_ids
    (log_probs,) = gap_model.log_probs([np.array([1, text[0], 0, *text[1:], 1])], np.array([2]))
    # All words but <unk> and </s>.
    expected = log_probs[2:] - np.logaddexp.reduce(log_probs[2:].astype(np.float64))

    answer = Filler(model, k=k).answer("the ___ is good .")

    order = np.argsort(-expected, kind="stable")[:k]
    assert [each.word for each in answer.predictions] == [model.vocabulary.words[2 + place] for place in order]
    np.testing.assert_allclose([each.logprob for each in answer.predictions], expected[order], atol=1e-6)
    assert answer.exact
    assert (answer.candidates, answer.scored, answer.unseen) == (len(expected), len(expected), 0)


@pytest.mark.parametrize("name", TRAINED)
def test_a_training_that_was_killed_ends_with_the_bytes_of_one_that_was_not(name, corpus, models, tmp_path):
    arguments = ("train", corpus, "-o", tmp_path / "model", *settings(name))
    process = start(*arguments, "--set", "publishing.checkpoint_every=0.001s")
    checkpoint = tmp_path / "model/work/checkpoint"
    while process.poll() is None and not checkpoint.exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert checkpoint.exists()

    lmctl(*arguments, "--resume", "require")

    for name_of_file in ("weights.safetensors", "vocabulary.tsv", "metrics.json"):
        assert (tmp_path / "model/current" / name_of_file).read_bytes() == (
            models(name) / "current" / name_of_file
        ).read_bytes()
