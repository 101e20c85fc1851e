"""`mix`: one model of several."""

import math
from pathlib import Path

import msgspec
import numpy as np
import pytest

import lmctl
from lmctl.config import read_settings
from lmctl.errors import QualityGateError, UsageError
from lmctl.jobs.mix import mix
from lmctl.jobs.mixing import Mixture
from lmctl.jobs.train.run import train
from lmctl.jobs.train.validating import ValidScores
from lmctl.query.evaluation import evaluate_file
from lmctl.store.verification import verify_bundle


@pytest.fixture
def count(tmp_path):
    """`count(name, text, *assignments)`: the model of a text of the words a and b, by shares of counts."""
    (tmp_path / "words.txt").write_text("a\nb\n")

    def run(name, text, *assignments):
        (tmp_path / f"{name}.txt").write_text(text)
        asked = ("preset=ngram", "model.order=1", "model.smoothing=mle", "validation.fraction=0")
        asked += ("publishing.gate=false",)
        settings = read_settings(assignments=[*asked, f"vocabulary.file={tmp_path / 'words.txt'}", *assignments])
        train([str(tmp_path / f"{name}.txt")], tmp_path / name, settings)
        return str(tmp_path / name)

    return run


@pytest.fixture
def held_out(tmp_path):
    path = tmp_path / "held-out.txt"
    path.write_text("a a a b b b b\n")
    return str(path)


def test_weights_and_perplexity_by_hand(count, held_out, tmp_path):
    # P(a), P(b), P(</s>): 1/2, 1/4, 1/4 and 1/3 each. Of 3 a and 5 others, 3 ln(2 + w) + 5 ln(4 - w) is most where
    # w = 1/4: then P(a) = 3/8, and the others have 5/16.
    members = [count("one", "a a b\n"), count("other", "a b\n")]

    mixed = mix(members, tmp_path / "mixture", held_out)

    assert [member.model for member in mixed.members] == members
    assert [member.weight for member in mixed.members] == pytest.approx([0.25, 0.75], abs=2e-3)
    assert [member.perplexity for member in mixed.members] == pytest.approx(
        [(2**3 * 4**5) ** (1 / 8), 3.0], rel=1e-6
    )
    expected = ((3 / 8) ** 3 * (5 / 16) ** 5) ** (-1 / 8)
    assert mixed.perplexity == pytest.approx(expected, rel=1e-6)
    assert (mixed.tokens, mixed.vocabulary_size, mixed.oov_rate, mixed.state) == (8, 4, 0.0, "carry")
    bundle = verify_bundle(Path(mixed.published))
    assert mixed.published == str(tmp_path / "mixture/generations/000001")
    assert bundle.metrics()["valid"]["perplexity"] == mixed.perplexity
    assert bundle.metrics()["cache"] == msgspec.to_builtins(mixed.cache)
    # The members have different corpora.
    assert (bundle.record.corpus, bundle.record.training) == (None, None)
    model = lmctl.load(tmp_path / "mixture")
    assert evaluate_file(model, held_out, state="carry").perplexity == pytest.approx(expected, rel=1e-6)
    assert [found.prob for found in model.predict("a")] == pytest.approx([3 / 8, 5 / 16], rel=1e-3)


def test_members_of_one_corpus_are_a_model_of_it(count, held_out, tmp_path):
    members = [count("same", "a a b\n"), count("same", "a a b\n", "model.order=2", "model.smoothing=kneser-ney")]

    mix([members[0] + "@1", members[0] + "@2"], tmp_path / "mixture", held_out)

    bundle = lmctl.load(tmp_path / "mixture").bundle
    assert bundle.record.corpus == bundle.members()[0].record.corpus
    assert bundle.record.corpus.train.tokens == 4


def test_a_mixture_holds_copies_and_may_be_mixed_again(count, held_out, tmp_path):
    members = [count("one", "a a b\n"), count("other", "a b\n")]
    mix(members, tmp_path / "mixture", held_out)
    before = lmctl.load(tmp_path / "mixture").log_probs("a").tolist()
    for member in members:
        Path(member).rename(member + ".gone")

    assert lmctl.load(tmp_path / "mixture").log_probs("a").tolist() == before
    again = mix([str(tmp_path / "mixture"), count("third", "a a a b\n")], tmp_path / "mixture", held_out)
    assert again.published == str(tmp_path / "mixture/generations/000002")
    verify_bundle(Path(again.published))


def test_a_mixture_keeps_the_text_that_its_weights_were_tuned_on(count, held_out, tmp_path):
    mixed = mix([count("one", "a a b\n"), count("other", "a b\n")], tmp_path / "mixture", held_out)

    assert (Path(mixed.published) / "valid.txt").read_text() == "a a a b b b b\n"
    assert verify_bundle(Path(mixed.published)).record.files["valid.txt"].bytes == 14


def test_a_model_that_is_left_alone_keeps_the_text_that_the_weights_were_tuned_on(count, tmp_path):
    (tmp_path / "own.txt").write_text("a b\n")
    validated = ("validation.fraction=0.05", f"validation.file={tmp_path / 'own.txt'}")
    members = [count("one", "a a b\n", *validated), count("two", "a b\n", *validated)]
    (tmp_path / "valid.txt").write_text("a a a a a a a a\n")
    before = Path(members[0]) / "current/valid.txt"

    mixed = mix(members, tmp_path / "mixture", str(tmp_path / "valid.txt"))

    assert before.read_text() == "a b\n"
    bundle = verify_bundle(Path(mixed.published))
    assert bundle.record.family == "ngram"
    assert bundle.kept_text().read_text() == "a a a a a a a a\n"
    # The gate compares a later model without validation text on it.
    (tmp_path / "worse.txt").write_text("a b b b b b b b\n")
    settings = read_settings(
        assignments=[
            "preset=ngram",
            "model.order=1",
            "model.smoothing=mle",
            "validation.fraction=0",
            f"vocabulary.file={tmp_path / 'words.txt'}",
        ]
    )
    with pytest.raises(QualityGateError, match="on the validation text that the current generation keeps"):
        train([str(tmp_path / "worse.txt")], tmp_path / "mixture", settings)


def test_the_same_models_and_text_give_the_same_bytes(count, held_out, tmp_path):
    members = [count("one", "a a b\n"), count("other", "a b\n")]

    one, other = (Path(mix(members, tmp_path / name, held_out).published) for name in ("x", "y"))

    assert (one / "model.json").read_bytes() == (other / "model.json").read_bytes()


def test_unknown_words_are_counted_and_said(count, tmp_path):
    # A c in training is <unk>: one in four words there, two in four here.
    members = [count("one", "a c b a\n"), count("other", "a b c\n")]
    (tmp_path / "valid.txt").write_text("a c\n\nc b\n")

    mixed = mix(members, tmp_path / "mixture", str(tmp_path / "valid.txt"), state="reset")

    assert (mixed.oov_rate, mixed.tokens, mixed.state) == (0.5, 6, "reset")


def test_a_member_that_finds_a_token_impossible_has_no_perplexity(count, tmp_path):
    members = [count("one", "a a\n"), count("other", "a b\n")]
    (tmp_path / "valid.txt").write_text("a b\n")

    mixed = mix(members, tmp_path / "mixture", str(tmp_path / "valid.txt"))

    assert [member.perplexity for member in mixed.members] == [None, pytest.approx(3.0)]
    assert math.isfinite(mixed.perplexity)


@pytest.mark.parametrize("log_prob", [-math.inf, -100 * math.log(10)])
def test_a_member_of_tiny_weight_stays_if_a_token_is_possible_for_it_alone(log_prob):
    # Of 10,000 tokens, all but the last one have 1/2 by the first member and 1/4 by the second, which gives the
    # last one 1/2. With the weight w of the second, 9999 ln(1/2 - w/4) + ln(w/2) is most at w = 1/5000.
    first, second = np.full(10_000, math.log(1 / 2)), np.full(10_000, math.log(1 / 4))
    first[-1], second[-1] = log_prob, math.log(1 / 2)

    mixture = Mixture.tuned([ValidScores(log_probs, True, 10_000) for log_probs in (first, second)])

    assert mixture.weights[1] == pytest.approx(1 / 5000, rel=0.01)
    assert mixture.counting == [0, 1]
    expected = -(9999 * math.log(1 / 2 - 1 / 20_000) + math.log(1 / 10_000)) / 10_000
    assert mixture.cross_entropy_nats == pytest.approx(expected, rel=1e-6)


def test_a_member_of_tiny_weight_without_effect_is_left_out():
    # The third member is as good as the second where this one matters, so the text needs one of them.
    of_members = np.log([[1 / 2] * 10_000, [1 / 4] * 10_000, [1 / 8] * 10_000])
    of_members[:, -1] = -math.inf, math.log(1 / 2), math.log(1 / 2)

    mixture = Mixture.tuned([ValidScores(log_probs, True, 10_000) for log_probs in of_members])

    assert mixture.counting == [0, 1]


def test_a_token_impossible_for_all_members_makes_the_perplexity_infinite_and_affects_no_weight(count, tmp_path):
    # Training had no c, so <unk> is impossible. The first member gives the end 1/3, the second 1/4.
    members = [count("one", "a b\n"), count("other", "a a b\n")]
    (tmp_path / "valid.txt").write_text("c\n")

    mixed = mix(members, tmp_path / "mixture", str(tmp_path / "valid.txt"))

    assert (mixed.perplexity, mixed.cache) == (math.inf, None)
    assert mixed.members[0].weight == pytest.approx(1.0, abs=1e-3)
    assert verify_bundle(Path(mixed.published)).metrics()["valid"]["perplexity"] is None


def test_a_member_without_weight_is_left_out_and_one_alone_is_no_mixture(count, tmp_path, caplog):
    # P(a) is 1/3, 1/2 and 2/5, so the second member is best for a text of only a.
    members = [count("two", "a b\n"), count("one", "a a b\n"), count("three", "a a b b\n")]
    (tmp_path / "valid.txt").write_text("a a a a a a a a\n")

    mixed = mix(members, tmp_path / "mixture", str(tmp_path / "valid.txt"))

    assert [member.weight for member in mixed.members] == pytest.approx([0.0, 1.0, 0.0], abs=5e-4)
    assert caplog.text.count("is left out: the text gives it a weight of 0.0000") == 2
    bundle = verify_bundle(Path(mixed.published))
    assert bundle.record.family == "ngram"
    assert (
        bundle.metrics()["valid"]["perplexity"]
        == mixed.perplexity
        == pytest.approx((2**8 * 4) ** (1 / 9), rel=1e-3)
    )
    assert not list((tmp_path / "mixture/work").iterdir())


def test_members_with_weight_are_mixed_without_members_without_weight(count, held_out, tmp_path):
    # As in the first test, with a member between the two that is never the best.
    members = [count("one", "a a b\n"), count("useless", "a a a a a a a\n"), count("other", "a b\n")]

    mixed = mix(members, tmp_path / "mixture", held_out)

    bundle = verify_bundle(Path(mixed.published))
    assert bundle.record.sizes.weights == pytest.approx([0.25, 0.75], abs=2e-3)
    assert sum(bundle.record.sizes.weights) == pytest.approx(1.0)
    assert [member.folder.name for member in bundle.members()] == ["0", "1"]


def test_the_first_member_decides_how_text_is_cut(count, held_out, tmp_path, caplog):
    # P(a), P(b), P(</s>) are 1/2, 1/4, 1/4 and 1/3 each, as in the first test.
    members = [count("one", "a a b\n"), count("other", "A B\n", "text.lowercase=true")]

    mixed = mix(members, tmp_path / "mixture", held_out)

    assert [member.weight for member in mixed.members] == pytest.approx([0.25, 0.75], abs=2e-3)
    assert verify_bundle(Path(mixed.published)).record.recipe.lowercase is False
    (warning,) = [record.message for record in caplog.records if "cut otherwise" in record.message]
    assert warning == (
        f"{members[1]} was trained on text that was cut otherwise (lowercase true, not false); the mixture cuts "
        f"text as {members[0]} does, of whose words in the validation text it knows 100.0 %"
    )
    assert lmctl.load(tmp_path / "mixture").encode("A a").words == ["A", "a"]


def test_a_single_model_that_is_left_is_measured_on_text_as_it_cuts_it(count, tmp_path):
    # The first model has never seen an unknown word. The other one makes letters small.
    members = [count("one", "a a b\n"), count("other", "A B\n", "text.lowercase=true")]
    (tmp_path / "capitals.txt").write_text("A B\n")

    mixed = mix(members, tmp_path / "mixture", str(tmp_path / "capitals.txt"))

    assert [member.weight for member in mixed.members] == pytest.approx([0.0, 1.0], abs=1e-3)
    assert mixed.perplexity == pytest.approx(3.0)
    bundle = verify_bundle(Path(mixed.published))
    assert bundle.record.recipe.lowercase is True
    assert evaluate_file(lmctl.load(tmp_path / "mixture"), str(tmp_path / "capitals.txt")).perplexity == (
        pytest.approx(3.0)
    )


def test_the_first_model_decides_how_text_is_cut_also_if_it_is_left_out(count, tmp_path):
    # As in the first test, with a model before the two that is never the best.
    first = count("first", "a a a a a a a\n", "text.lowercase=true")
    members = [first, count("one", "a a b\n"), count("other", "a b\n")]
    (tmp_path / "capitals.txt").write_text("A A A B B B B\n")

    mixed = mix(members, tmp_path / "mixture", str(tmp_path / "capitals.txt"))

    assert [member.weight for member in mixed.members] == pytest.approx([0.0, 0.25, 0.75], abs=2e-3)
    bundle = verify_bundle(Path(mixed.published))
    assert len(bundle.members()) == 2
    assert bundle.record.recipe.lowercase is True
    figures = evaluate_file(lmctl.load(tmp_path / "mixture"), str(tmp_path / "capitals.txt"))
    assert figures.perplexity == pytest.approx(mixed.perplexity, rel=1e-6)
    assert mixed.perplexity == pytest.approx(((3 / 8) ** 3 * (5 / 16) ** 5) ** (-1 / 8), rel=1e-6)


def test_words_and_characters_are_mixed_over_the_words_of_both(tmp_path, caplog):
    text = tmp_path / "text.txt"
    text.write_text("ab a\nab b\n")
    for segmenter in ("space", "char"):
        asked = ("preset=ngram", "model.order=1", "model.smoothing=mle", "vocabulary.min_count=1")
        asked += ("validation.fraction=0", "publishing.gate=false", f"text.segmenter={segmenter}")
        train([str(text)], tmp_path / segmenter, read_settings(assignments=asked))

    mixed = mix([str(tmp_path / "space"), str(tmp_path / "char")], tmp_path / "mixture", str(text))

    # Words: ab, a, b, <unk> and </s>. Of the four words, the characters know all but the two times ab.
    assert mixed.vocabulary_size == 5
    (warning,) = [record.message for record in caplog.records if "cut otherwise" in record.message]
    assert "(segmenter char, not space)" in warning
    assert warning.endswith("it knows 50.0 %")


def test_pieces_and_words_are_refused(count, held_out, tmp_path):
    lines = ["the cat sat on the mat", "a dog sat on the log"]
    (tmp_path / "text.txt").write_text("\n".join(lines * 20))
    asked = ("preset=ngram", "vocabulary.min_count=1", "validation.fraction=0", "publishing.gate=false")
    asked += ("text.segmenter=sentencepiece", "text.subwords=40")
    train([str(tmp_path / "text.txt")], tmp_path / "pieces", read_settings(assignments=asked))
    members = [count("one", "a a b\n"), str(tmp_path / "pieces")]

    with pytest.raises(UsageError) as refusal:
        mix(members, tmp_path / "mixture", held_out)

    assert str(refusal.value) == (
        f"{members[1]} cannot be mixed with {members[0]}, because pieces of words must be the same in all members "
        "(segmenter sentencepiece, not space); train both models on one prepared folder"
    )
    assert not (tmp_path / "mixture/current").exists()
