"""`train` with `model.family: ngram`: n-grams are estimated, and published like any model."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from waiting import LONGEST_SECONDS

import lmctl
from lmctl.config import read_settings
from lmctl.errors import DataError, QualityGateError, UsageError
from lmctl.families.ngram import columns
from lmctl.jobs.prepare import prepare
from lmctl.jobs.rollback import roll_back
from lmctl.jobs.train.estimating import estimation_config
from lmctl.jobs.train.run import plan, train
from lmctl.jobs.train.training_job import Policies
from lmctl.query.evaluation import evaluate_file
from lmctl.store.bundle import open_bundle
from lmctl.store.listing import list_generations
from lmctl.store.verification import verify_bundle

FOUR_SENTENCES = Path(__file__).parents[3] / "corpora/four-sentences.txt"

# It runs in a process in which importing TensorFlow raises.
RUN = """
import sys
from pathlib import Path
sys.modules["tensorflow"] = sys.modules["keras"] = None
from lmctl.config import read_settings
from lmctl.jobs.train.run import train
print(train([sys.argv[1]], Path(sys.argv[2]), read_settings(assignments=sys.argv[3:])).published)
"""


def ngrams(*assignments):
    """Settings of n-grams. Without a validation file, all text is for training, and there is no gate."""
    validates = any(text.startswith("validation.") for text in assignments)
    without = [] if validates else ["validation.fraction=0", "publishing.gate=false"]
    return read_settings(assignments=["preset=ngram", *without, *assignments])


@pytest.mark.parametrize(
    ("jobs", "threads", "processes"), [(2, 3, 2), (0, 3, 3), (1, 3, 0)], ids=["jobs", "threads", "one"]
)
def test_jobs_or_threads_decide_how_many_processes_count(
    text, tmp_path, monkeypatch, started, jobs, threads, processes
):
    one = train([text], tmp_path / "one", ngrams(), Policies(jobs=1))
    assert not started  # The text is a single stretch.
    monkeypatch.setattr(columns, "VALUES_AT_ONCE", 10)

    several = train([text], tmp_path / "several", ngrams(f"device.threads={threads}"), Policies(jobs=jobs))

    assert len(started) == processes
    tables = list(Path(one.published).glob("ngrams.*"))
    assert tables
    for path in tables:
        assert (Path(several.published) / path.name).read_bytes() == path.read_bytes(), path.name


@pytest.mark.parametrize("prepared", [False, True], ids=["text", "prepared"])
def test_counting_needs_no_tensorflow(text, valid, tmp_path, prepared):
    asked = ["preset=ngram", f"validation.file={valid}"]
    source = text
    if prepared:
        prepare([text], tmp_path / "corpus", read_settings(assignments=asked).resolve(), jobs=1)
        source, asked = str(tmp_path / "corpus"), asked[:1]

    done = subprocess.run(
        [sys.executable, "-c", RUN, source, str(tmp_path / "model"), *asked],
        capture_output=True,
        text=True,
        check=True,
        timeout=LONGEST_SECONDS,
    )

    bundle = verify_bundle(Path(done.stdout.strip()))
    # 23 words and 4 ends; 9 distinct words and two specials.
    assert (bundle.record.family, bundle.record.corpus.train.tokens) == ("ngram", 27)
    assert (bundle.record.sizes.order, bundle.record.sizes.smoothing) == (5, "kneser-ney")
    assert bundle.record.training is None
    assert bundle.metrics()["valid"]["perplexity"] > 1


@pytest.mark.parametrize("min_count", [1, 2])
@pytest.mark.parametrize("state", ["reset", "carry"])
def test_the_validation_perplexity_is_the_one_that_eval_finds(text, valid, tmp_path, state, min_count):
    trained = train(
        [text],
        tmp_path / "model",
        ngrams(f"validation.file={valid}", f"validation.state={state}", f"vocabulary.min_count={min_count}"),
    )

    found = evaluate_file(lmctl.load(tmp_path / "model"), valid, state=state)
    # Training has no <unk>, so validation leaves out the cost of <unk>.
    expected = found.perplexity if min_count == 2 else found.perplexity_excluding_oov
    assert abs(found.perplexity / found.perplexity_excluding_oov - 1.0) > 1e-3
    metrics = open_bundle(Path(trained.published)).metrics()["valid"]
    assert metrics == {
        "cross_entropy_nats": pytest.approx(np.log(expected), rel=1e-6),
        "perplexity": pytest.approx(expected, rel=1e-6),
        "includes_oov": min_count == 2,
        "state": state,
        "vocabulary_size": found.vocabulary_size,
        "oov_rate": pytest.approx(found.oov_rate),
        "tokens": found.tokens,
    }
    assert (trained.valid_perplexity, trained.valid_oov_rate) == (metrics["perplexity"], metrics["oov_rate"])
    assert (trained.family, trained.preset, trained.steps, trained.tokens) == ("ngram", None, None, 27)


def test_without_a_text_to_validate_on_there_are_no_figures_and_no_cache(text, tmp_path):
    trained = train([text], tmp_path / "model", ngrams())

    assert (trained.valid_perplexity, trained.cache) == (None, None)
    bundle = open_bundle(Path(trained.published))
    assert (bundle.metrics(), bundle.record.cache) == ({"valid": None, "own": None, "cache": None}, None)


def test_bigrams_by_maximum_likelihood_are_shares_of_counts(tmp_path):
    # By hand: 编程 is followed by 。 in the first sentence and by 是 in the second; 爱 by 编程, always.
    train([str(FOUR_SENTENCES)], tmp_path / "model", ngrams("model.order=2", "model.smoothing=mle"))

    model = lmctl.load(tmp_path / "model")
    assert [(found.word, found.prob) for found in model.predict("编程")] == [
        ("。", pytest.approx(0.5)),
        ("是", pytest.approx(0.5)),
    ]
    assert [(found.word, found.prob) for found in model.predict("我爱")] == [("编程", pytest.approx(1.0))]
    # A word that never followed has no probability.
    probs = np.exp(model.log_probs("编程").astype(np.float64))
    assert np.count_nonzero(probs) == 2
    assert probs.sum() == pytest.approx(1.0)


def test_the_same_run_again_has_nothing_to_do(text, valid, tmp_path):
    asked = ngrams(f"validation.file={valid}")
    first = train([text], tmp_path / "model", asked)
    again = train([text], tmp_path / "model", asked)

    assert (again.outcome, again.published) == ("unchanged", first.published)
    # Other thresholds give other counts, so the run is a new one.
    pruned = train([text], tmp_path / "model", ngrams(f"validation.file={valid}", "model.pruning=0 0 1"))
    assert pruned.outcome == "published"


def test_the_same_text_gives_the_same_bytes(text, valid, tmp_path):
    one, other = (
        Path(train([text], tmp_path / name, ngrams(f"validation.file={valid}")).published) for name in ("a", "b")
    )

    assert {path.name: path.read_bytes() for path in one.iterdir()} == {
        path.name: path.read_bytes() for path in other.iterdir()
    }


def test_pruning_leaves_out_rare_ngrams_but_no_words(text, tmp_path):
    whole, pruned = (
        open_bundle(Path(train([text], tmp_path / f"m{number}", ngrams(*asked)).published))
        for number, asked in enumerate(((), ("model.pruning=0 0 1",)))
    )

    assert pruned.record.sizes.ngrams[:2] == whole.record.sizes.ngrams[:2]
    # By hand, the trigrams that occur twice: sat on the, on the mat, a dog </s>.
    assert pruned.record.sizes.ngrams[2] == 3
    assert whole.record.sizes.ngrams[2] > 10
    assert pruned.parameters() < whole.parameters()


def test_thresholds_that_do_not_fit_the_order_are_refused(text, tmp_path):
    with pytest.raises(UsageError, match=r"model.pruning: 3 counts for n-grams of order 2"):
        train([text], tmp_path / "model", ngrams("model.order=2", "model.pruning=0 0 1"))

    assert not (tmp_path / "model/current").exists()


def test_relative_frequencies_are_not_quantised(text, tmp_path):
    with pytest.raises(UsageError, match=r"model.quantize: 8 needs model.smoothing kneser-ney, got mle"):
        train([text], tmp_path / "model", ngrams("model.smoothing=mle", "model.quantize=8"))


@pytest.mark.parametrize(("smoothing", "expected"), [("kneser-ney", 8), ("mle", 32)])
def test_the_bits_follow_from_the_smoothing_unless_they_are_set(text, tmp_path, smoothing, expected):
    for asked, bits in (([], expected), (["model.quantize=32"], 32)):
        settings = ngrams(f"model.smoothing={smoothing}", *asked)

        bundle = open_bundle(Path(train([text], tmp_path / f"model{len(asked)}", settings).published))

        assert bundle.record.sizes.quantize == bits
        assert bundle.config().model.quantize == bits


def test_an_empty_text_is_refused(tmp_path):
    (tmp_path / "empty.txt").write_text("\n")

    with pytest.raises(DataError, match="nothing to train on"):
        train([str(tmp_path / "empty.txt")], tmp_path / "model", ngrams())


@pytest.mark.parametrize(
    ("asked", "tokens", "order"),
    [((), 100_000_000, 5), ((), 100_000_001, 3), (("model.order=4",), 100_000_001, 4)],
)
def test_the_order_is_set_or_follows_from_the_size_of_the_text(asked, tokens, order):
    assert estimation_config(ngrams(*asked).resolve(tokens), tokens).order == order


def test_a_plan_of_ngrams_has_no_number_of_parameters(text, tmp_path):
    planned = plan([text], tmp_path / "model", ngrams())

    assert (planned.parameters, planned.training_tokens, planned.config.preset) == (None, 27, "ngram")


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("model.hidden_units=9", "model.hidden_units: is a key of families lstm, .*, but model.family is ngram"),
        ("training.epochs=3", "training.epochs: has no effect with model.family ngram"),
        ("device.placement=gpu", "device.placement: has no effect with model.family ngram"),
        ("training.init_from=current", "training.init_from: has no effect with model.family ngram"),
        ("training.with_ngram=true", "training.with_ngram: has no effect with model.family ngram"),
    ],
)
def test_keys_of_networks_are_refused(text, tmp_path, assignment, message):
    with pytest.raises(UsageError, match=message):
        train([text], tmp_path / "model", ngrams(assignment))


def test_a_preset_of_a_network_is_no_preset_of_ngrams():
    with pytest.raises(UsageError, match=r"preset: tiny is a preset of family lstm, but model\.family is ngram"):
        read_settings(assignments=["preset=tiny", "model.family=ngram"]).resolve()


def test_ngrams_are_not_trained_on(text, tmp_path, settings):
    train([text], tmp_path / "model", ngrams())

    with pytest.raises(
        UsageError, match=r"training\.init_from: .* is of family ngram; expected a model of family lstm, "
    ):
        train([text], tmp_path / "model", settings("training.init_from=current"))


@pytest.mark.usefixtures("eagerly")
def test_the_gate_compares_models_of_any_family(text, known, tmp_path, settings):
    asked = f"validation.file={known}"
    counted = train([text], tmp_path / "model", ngrams(asked))
    untrained = settings(asked, "training.learning_rate=1e-30", "training.epochs=1")

    # A network that learned nothing is worse than n-grams.
    with pytest.raises(QualityGateError) as caught:
        train([text], tmp_path / "model", untrained)

    published, rejected = (
        evaluate_file(lmctl.load(bundle), known, state="carry").bits_per_character
        for bundle in (counted.published, tmp_path / "model/work/rejected")
    )
    assert f"({rejected:.4f} against {published:.4f} bits per character; 1 % is allowed)" in str(caught.value)
    # n-grams replace the network, because they are better.
    network = train([text], tmp_path / "other", untrained)
    better = train([text], tmp_path / "other", ngrams(asked))
    assert (network.family, better.family) == ("lstm", "ngram")
    assert [(each.generation, each.family, each.current) for each in list_generations(tmp_path / "other")] == [
        (1, "lstm", False),
        (2, "ngram", True),
    ]
    assert roll_back(tmp_path / "other") == Path(network.published)
    assert lmctl.load(tmp_path / "other").bundle.record.family == "lstm"


def test_a_worse_ngram_model_is_refused(text, known, tmp_path):
    train([text], tmp_path / "model", ngrams(f"validation.file={known}"))

    # A unigram model: the words before do not matter.
    with pytest.raises(QualityGateError):
        train([text], tmp_path / "model", ngrams(f"validation.file={known}", "model.order=1"))


def test_counting_has_nothing_to_resume(text, tmp_path):
    with pytest.raises(
        UsageError, match="--resume require: training a model of family ngram leaves no checkpoint"
    ):
        train([text], tmp_path / "model", ngrams(), Policies(resume="require"))
