"""Models of several domains, each with its own vocabulary, become one model and one ARPA file."""

from __future__ import annotations

import numpy as np
import pytest

import lmctl
from lmctl.config import read_settings
from lmctl.errors import UsageError
from lmctl.jobs.export import export
from lmctl.jobs.import_arpa import import_arpa
from lmctl.jobs.mix import mix
from lmctl.jobs.train.run import train

LAW = "the court hears the case .\nthe judge reads the law .\nthe court reads the law .\n" * 3
SEA = "the ship leaves the port .\nthe captain sees the sea .\nthe ship sees the port .\n" * 3
BOTH = "the judge sees the port .\nthe captain reads the law .\nthe ship hears the court .\n"


@pytest.fixture
def counts(tmp_path):
    """Trigrams of two domains, with vocabularies of their own, and a text of both."""
    for name, text in (("law", LAW), ("sea", SEA)):
        (tmp_path / f"{name}.txt").write_text(text)
        asked = ("preset=ngram", "model.order=3", "validation.fraction=0", "vocabulary.min_count=1")
        settings = read_settings(assignments=[*asked, "text.segmenter=space"])
        train([str(tmp_path / f"{name}.txt")], tmp_path / name, settings)
    (tmp_path / "both.txt").write_text(BOTH)
    return tmp_path


def log_prob(model, sentence):
    return model.score(sentence).log_probs.sum()


def test_a_mixture_has_the_words_of_all_members(counts):
    mixed = mix([str(counts / "law"), str(counts / "sea")], counts / "mixture", str(counts / "both.txt"))

    words = {word for line in (LAW + SEA).split("\n") for word in line.split()}
    model = lmctl.load(counts / "mixture")
    assert set(model.vocabulary.words) == {"<unk>", "</s>", *words}
    assert mixed.vocabulary_size == len(words) + 2
    assert mixed.oov_rate == 0
    # "the" and "." are in both texts, so their counts add up.
    assert dict(zip(model.vocabulary.words, model.vocabulary.counts, strict=True))["the"] == 36
    assert np.exp(model.log_probs("the judge")).sum() == pytest.approx(1, abs=1e-6)
    # Neither member knows both words.
    assert log_prob(model, "the judge sees the port .") > 7 * np.log(1 / 20)


def test_a_single_member_that_is_left_keeps_its_vocabulary_and_has_its_own_figures(counts):
    # Relative frequencies of the other domain give the words of this text nothing.
    asked = ["preset=ngram", "model.order=3", "model.smoothing=mle", "validation.fraction=0"]
    asked += ["vocabulary.min_count=1", "text.segmenter=space", "publishing.gate=false"]
    settings = read_settings(assignments=asked)
    for name in ("law", "sea"):
        train([str(counts / f"{name}.txt")], counts / f"mle-{name}", settings)
    members = [str(counts / "mle-law"), str(counts / "mle-sea")]

    mixed = mix(members, counts / "mixture", str(counts / "law.txt"))

    law, left = lmctl.load(counts / "mle-law"), lmctl.load(counts / "mixture")
    assert mixed.members[1].weight < 5e-4
    assert left.vocabulary.words == law.vocabulary.words
    assert mixed.vocabulary_size == len(law.vocabulary)
    scored = [law.score(line).log_probs for line in LAW.splitlines()]
    assert mixed.perplexity == pytest.approx(np.exp(-np.concatenate(scored).mean()), rel=1e-6)


def test_a_word_that_is_new_to_a_member_has_a_share_of_its_unknown_word(counts):
    mix([str(counts / "law"), str(counts / "sea")], counts / "mixture", str(counts / "both.txt"))
    model, law, sea = (lmctl.load(counts / name) for name in ("mixture", "law", "sea"))

    new_to_law = len(model.vocabulary) - len(law.vocabulary)
    weight = model.bundle.record.sizes.weights
    ids = [each.vocabulary.encode(["ship"])[0] for each in (model, law, sea)]
    assert ids[1] == 0
    of_law, of_sea = (np.exp(each.log_probs("the")[own]) for each, own in zip((law, sea), ids[1:], strict=True))
    expected = weight[0] * of_law / (new_to_law + 1) + weight[1] * of_sea
    assert np.exp(model.log_probs("the")[ids[0]]) == pytest.approx(expected, rel=1e-5)


def test_the_mixture_becomes_one_arpa_file_of_the_same_probabilities(counts):
    mix([str(counts / "law"), str(counts / "sea")], counts / "mixture", str(counts / "both.txt"))

    export(str(counts / "mixture"), "arpa", str(counts / "mixture.arpa"))
    import_arpa(str(counts / "mixture.arpa"), counts / "one", read_settings(assignments=["text.segmenter=space"]))

    one, mixture = lmctl.load(counts / "one"), lmctl.load(counts / "mixture")
    assert set(one.vocabulary.words) == set(mixture.vocabulary.words)
    # Every n-gram of these sentences is in the tables of one of the members.
    for sentence in ("the court reads the law .", "the ship sees the port ."):
        assert log_prob(one, sentence) == pytest.approx(log_prob(mixture, sentence), abs=1e-5)
    # Here it backs off, with one weight for both.
    backing_off = BOTH.splitlines()[0]
    assert log_prob(one, backing_off) == pytest.approx(log_prob(mixture, backing_off), rel=0.15)
    assert np.exp(one.log_probs("the judge sees")).sum() == pytest.approx(1, abs=1e-5)


def test_pruning_leaves_out_what_costs_least(counts, caplog):
    caplog.set_level("INFO", "lmctl")

    export(str(counts / "law"), "arpa", str(counts / "law.arpa"), {"prune_entropy": 1e-2})
    export(str(counts / "law"), "arpa", str(counts / "whole.arpa"))

    sizes = [
        [int(line.split("=")[1]) for line in (counts / name).read_text().splitlines() if line.startswith("ngram ")]
        for name in ("law.arpa", "whole.arpa")
    ]
    assert sizes[0][0] == sizes[1][0]
    assert sizes[0][2] < sizes[1][2]
    assert f"kept {sizes[0][0] - 1} + {sizes[0][1]} + {sizes[0][2]} of {sizes[1][0] - 1} + " in caplog.text
    import_arpa(str(counts / "law.arpa"), counts / "pruned", read_settings(assignments=["text.segmenter=space"]))
    pruned, law = lmctl.load(counts / "pruned"), lmctl.load(counts / "law")
    assert np.exp(pruned.log_probs("the court")).sum() == pytest.approx(1, abs=1e-5)
    assert log_prob(pruned, "the court reads the law .") < log_prob(law, "the court reads the law .")


def test_a_mixture_with_a_network_is_no_arpa_file(counts, make_bundle):
    # The network gives every word the same probability, also those that the n-grams do not know.
    make_bundle(counts / "network", words=("the", "judge", "captain", "reads", "law", "."), scale=0.0)
    mix([str(counts / "network"), str(counts / "sea")], counts / "mixture", str(counts / "both.txt"))

    with pytest.raises(UsageError, match=r"an ARPA file has n-grams alone, and this member .* of family lstm"):
        export(str(counts / "mixture"), "arpa", str(counts / "mixture.arpa"))
    with pytest.raises(UsageError, match=r"--to onnx takes .* got family mixture; its member .*/0 is one$"):
        export(str(counts / "mixture"), "onnx", str(counts / "mixture.onnx"))
    assert not (counts / "mixture.arpa").exists()
