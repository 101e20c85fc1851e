"""Dynamic evaluation of whole models: a network, a mixture with one, and a cache over both."""

import pytest

import lmctl
from lmctl.config import read_settings
from lmctl.errors import UsageError
from lmctl.families.cached.parameters import CacheParameters
from lmctl.families.cached.runtime import CachedLanguageModel
from lmctl.jobs.dynamic_evaluation import follow_text
from lmctl.jobs.mix import mix
from lmctl.jobs.train.run import train
from lmctl.query.common_pieces import TextSource
from lmctl.query.comparison import compare_models
from lmctl.query.evaluation import evaluate_file

REPEATED = "the dog sat on a log\n" * 20


@pytest.fixture
def count(text, known, tmp_path):
    """`count(*assignments)`: a model of 1-grams with the vocabulary of `good`."""

    def run(*assignments):
        asked = ("preset=ngram", "model.order=1", *assignments)
        return train([text], tmp_path / "ngram", read_settings(assignments=asked))

    return run


@pytest.fixture
def perplexity(write):
    """`perplexity(model)`: of a text that repeats itself, with carried state."""
    path = write("repeated.txt", REPEATED)
    return lambda model: evaluate_file(model, path, state="carry").perplexity


def with_cache(model):
    model.runtime = CachedLanguageModel(model.runtime, CacheParameters(weight=0.1, theta=0.3), 50)
    return model


def test_a_network_follows_the_text(good, perplexity):
    model = lmctl.load(good.published)
    unchanged = perplexity(model)

    follow_text(model, 1e-9)
    assert perplexity(model) == pytest.approx(unchanged, rel=1e-5)
    model = lmctl.load(good.published)
    follow_text(model, 1e-2)
    assert perplexity(model) < 0.9 * unchanged


def test_a_network_is_compared_with_itself(good, perplexity, write):
    still, follows = lmctl.load(good.published), lmctl.load(good.published)
    follow_text(follows, 1e-2)
    source = TextSource(write("repeated.txt", REPEATED))
    found = compare_models({"still": still, "follows": follows}, source, state="carry", accuracy_at=())

    assert [each.figures.perplexity for each in found.models] == [perplexity(still), perplexity(follows)]
    assert found.differences[0].difference < 0
    assert "follows goes on learning from the text (dynamic evaluation, rate 0.01)" in found.notes


def test_the_figures_say_so_and_the_bundle_stays_as_it_is(good, text):
    model = lmctl.load(good.published)
    follow_text(model, 0.25)

    assert evaluate_file(model, text, state="carry").dynamic_rate == 0.25
    assert evaluate_file(lmctl.load(good.published), text, state="carry").dynamic_rate is None


@pytest.mark.parametrize("prepared", [lambda model: model, with_cache], ids=["mixture", "cache over the mixture"])
def test_of_a_mixture_the_network_follows_the_text(good, count, known, tmp_path, perplexity, prepared):
    n_grams = count(f"validation.file={known}")
    mix([good.model, n_grams.model], tmp_path / "mixture", known)

    unchanged = perplexity(prepared(lmctl.load(tmp_path / "mixture")))
    still, following = (prepared(lmctl.load(tmp_path / "mixture")) for _ in range(2))
    follow_text(still, 1e-9)
    follow_text(following, 1e-2)

    assert perplexity(still) == pytest.approx(unchanged, rel=1e-5)
    assert perplexity(following) < 0.98 * unchanged


def test_n_grams_alone_do_not_follow(count, known):
    model = lmctl.load(count(f"validation.file={known}").published)

    with pytest.raises(UsageError, match=r"--dynamic: .* is of family ngram, which has no network"):
        follow_text(model, 1e-3)


@pytest.mark.usefixtures("eagerly")
def test_without_a_kept_text_no_gradients_are_measured(text, tmp_path, settings):
    model = lmctl.load(train([text], tmp_path / "model", settings()).published)

    with pytest.raises(UsageError, match=r"--dynamic: .* keeps no validation text"):
        follow_text(model, 1e-3)
