"""Comparisons of small models: figures against `evaluate_file`, differences and groups against sums by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from counted_bigrams import publish_bigrams
from pieces import all_pieces, model_of_a_user

from lmctl.errors import DataError, UsageError
from lmctl.query.bootstrap import Resampling, holm
from lmctl.query.common_pieces import TextSource, common_pieces
from lmctl.query.comparison import compare_models
from lmctl.query.evaluation import evaluate_file
from lmctl.query.model import load
from lmctl.query.scored_text import Collector

TEXT = "the cat sat on the mat .\nthe zebra sat\n\ndog\n"
# With `<unk>` and `</s>`, 16 tokens.
SIXTEEN = ("the", "cat", "sat", "on", "mat", "dog", ".", "a", "b", "c", "d", "e", "f", "g")


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text(TEXT)
    return str(path)


def compared(models, text, **options):
    return compare_models(models, TextSource(text), **{"resampling": Resampling(samples=500), **options})


@pytest.mark.parametrize(
    "options", [{}, {"state": "carry"}, {"blank_lines": "keep"}, {"accuracy_at": (1, 3)}, {"accuracy_at": ()}]
)
def test_the_figures_of_each_model_are_those_of_an_evaluation(model, uniform, text, options):
    found = compared({"one": model, "other": uniform}, text, **options)

    evaluated = {"accuracy_at": (1,), **options}
    assert [each.figures for each in found.models] == [
        evaluate_file(each, text, **evaluated) for each in (model, uniform)
    ]


def test_a_difference_is_that_of_the_figures_and_in_its_interval(model, uniform, text):
    found = compared({"one": model, "other": uniform}, text)

    one, other = (each.figures.perplexity for each in found.models)
    (difference,) = found.differences
    assert found.measure == "perplexity"
    assert difference.difference == other - one
    assert difference.interval.low <= difference.difference <= difference.interval.high
    # The perplexity of the uniform model is 9 for any lines.
    assert found.models[1].interval.low == pytest.approx(9.0)
    assert found.models[1].interval.high == pytest.approx(9.0)
    assert difference.interval.low == pytest.approx(9.0 - found.models[0].interval.high)
    assert difference.interval.high == pytest.approx(9.0 - found.models[0].interval.low)
    assert (difference.interval.units, difference.interval.samples) == (3, 500)


def test_equal_models_differ_by_0_with_p_1_and_in_no_token(make_model, text):
    found = compared({"one": make_model(), "other": make_model()}, text)

    (difference,) = found.differences
    assert (difference.difference, difference.p) == (0.0, 1.0)
    assert (difference.interval.low, difference.interval.high) == (0.0, 0.0)
    assert found.tokens == []
    assert {group.share for group in found.groups} == {None}


def test_two_infinite_perplexities_have_no_difference(tmp_path):
    folder = publish_bigrams(tmp_path, "the cat\nthe dog\n")
    text = tmp_path / "impossible.txt"
    text.write_text("the cat\ncat dog\n")

    (difference,) = compared({"one": load(folder), "other": load(folder)}, str(text)).differences

    assert (difference.difference, difference.interval, difference.p, difference.p_holm) == (None,) * 4


def test_the_same_seed_gives_the_same_comparison(model, uniform, text):
    one, other = (compared({"one": model, "other": uniform}, text) for _ in range(2))

    assert (one.differences, one.groups, one.tokens) == (other.differences, other.groups, other.tokens)


def test_models_of_other_words_are_compared_by_bits_per_character(uniform, make_model, tmp_path):
    path = tmp_path / "known.txt"
    path.write_text("the cat sat on the mat\nthe dog sat\n")
    found = compared({"nine": uniform, "sixteen": make_model(words=SIXTEEN, scale=0.0)}, str(path))

    # 7 and 4 tokens in 23 and 12 characters; each costs log2(9) bits or 4.
    nine, sixteen = 11 * math.log2(9) / 35, 11 * 4 / 35
    (difference,) = found.differences
    assert found.measure == "bits_per_character"
    assert found.reason.startswith("perplexities are left out: sixteen has other words than nine")
    assert difference.difference == pytest.approx(sixteen - nine)
    # Both models cost most if only the line of 4 tokens in 12 characters is drawn.
    assert difference.interval.high == pytest.approx(4 / 12 * (4 - math.log2(9)))
    assert difference.interval.low == pytest.approx(7 / 23 * (4 - math.log2(9)))
    for group in found.groups:
        assert group.model == "nine" or group.difference_bits == pytest.approx(4 - math.log2(9))


def test_the_bits_of_groups_are_those_of_the_text(model, uniform, text):
    found = compared({"one": model, "other": uniform}, text)

    assert {group.by for group in found.groups} == {"frequency", "position", "frequency_length"}
    assert any("no model has n-grams" in note for note in found.notes)
    for each in found.models:
        for by in ("frequency", "position", "frequency_length"):
            groups = [group for group in found.groups if (group.by, group.model) == (by, each.model)]
            assert sum(group.tokens for group in groups) == each.figures.tokens
            assert sum(group.bits for group in groups) == pytest.approx(
                each.figures.cross_entropy_nats * each.figures.tokens / math.log(2), rel=1e-12
            )
            if each.model == "other":
                assert sum(group.share for group in groups) == pytest.approx(1.0)
    (oov,) = (
        group for group in found.groups if (group.by, group.group, group.model) == ("frequency", "oov", "one")
    )
    assert oov.tokens == 1


def test_the_difference_of_a_group_has_an_interval(model, uniform, tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("the cat sat\ndog\n")
    found = compared({"one": model, "other": uniform}, str(path))

    more = [
        [math.log2(9) + log_prob / math.log(2) for log_prob in model.score(line).log_probs.tolist()]
        for line in ("the cat sat", "dog")
    ]
    groups = {(group.by, group.group): group for group in found.groups if group.model == "other"}
    # The first line twice, each line once, or the second line twice, at 1 : 2 : 1.
    first = groups["position", "1"]
    assert first.difference_bits == pytest.approx((more[0][0] + more[1][0]) / 2)
    assert [first.interval.low, first.interval.high] == pytest.approx(sorted([more[0][0], more[1][0]]))
    assert (first.interval.units, first.interval.confidence, first.interval.samples) == (2, 95.0, 500)
    # `cat` and an end of a sentence.
    second = groups["position", "2"]
    assert [second.interval.low, second.interval.high] == pytest.approx(sorted([more[0][1], more[1][1]]))
    # One line alone has them.
    third = groups["position", "3-4"]
    assert (third.tokens, third.interval) == (2, None)
    assert {group.interval for group in found.groups if group.model == "one"} == {None}
    (difference,) = found.differences
    without = compared({"one": model, "other": uniform}, str(path), group_intervals=False)
    assert without.differences[0] == difference
    assert {group.interval for group in without.groups} == {None}


def test_resamples_without_the_group_say_nothing_about_it(model, uniform, tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("the cat sat\nthe dog sat\n\ndog\n")
    found = compared({"one": model, "other": uniform}, str(path), blank_lines="drop")

    (third,) = (group for group in found.groups if (group.group, group.model) == ("3-4", "other"))
    # A resample may have the line `dog` alone, which has no third token.
    assert third.interval.units == 2
    assert third.interval.low <= third.difference_bits <= third.interval.high


def test_p_values_are_corrected_for_the_number_of_models(model, make_model, uniform, text):
    found = compared({"one": model, "other": uniform, "same": make_model(), "third": make_model(seed=5)}, text)

    values = [difference.p for difference in found.differences]
    assert [difference.p_holm for difference in found.differences] == holm(values)
    assert found.differences[1].p == 1.0
    (alone,) = compared({"one": model, "other": uniform}, text).differences
    assert alone.p_holm == alone.p == values[0]


def test_the_tokens_that_differ_most_stand_in_their_text(model, uniform, text):
    found = compared({"one": model, "other": uniform}, text, tokens=3)

    scores = [model.score(line) for line in TEXT.split("\n") if line]
    every = [
        (abs(math.log2(9) + log_prob / math.log(2)), score.words[place] if place < len(score.words) else "</s>")
        for score in scores
        for place, log_prob in enumerate(score.log_probs.tolist())
    ]
    assert [token.word for token in found.tokens] == [
        word for _, word in sorted(every, key=lambda each: -each[0])[:3]
    ]
    lines = TEXT.split("\n")
    for token in found.tokens:
        rest = "" if token.word == "</s>" else token.word
        assert lines[token.line - 1] == f"{token.before}{rest}{token.after}"
        assert token.baseline_bits == pytest.approx(math.log2(9) - token.difference_bits)
    assert len(compared({"one": model, "other": uniform}, text, tokens=0).tokens) == 0


def test_words_and_characters_are_compared_in_common_pieces(uniform, make_model, tmp_path):
    path = tmp_path / "known.txt"
    path.write_text("the cat\nsat\n")
    characters = make_model(words=tuple("theca"), segmenter="char", scale=0.0)

    found = compared({"words": uniform, "characters": characters}, str(path))

    # the, cat, </s>; sat, </s>. `s` is not known to the model of characters, and is spelled, too.
    assert found.reason.startswith("perplexities are left out: characters cuts text otherwise than words")
    (words,) = (
        group for group in found.groups if (group.by, group.group, group.model) == ("position", "2", "characters")
    )
    assert (words.tokens, words.bits) == (2, pytest.approx(4 * math.log2(7)))
    assert sum(group.tokens for group in found.groups if group.by == "position") == 2 * 5
    (token,) = (token for token in found.tokens if token.word == "sat")
    assert token.bits == pytest.approx(3 * math.log2(7) + characters.characters.spelling_bits("s"))
    assert token.baseline_bits == pytest.approx(math.log2(9))
    assert (token.line, token.position, token.before, token.after) == (2, 1, "", "")
    total = sum(group.bits for group in found.groups if (group.by, group.model) == ("position", "characters"))
    assert total / 12 == pytest.approx(found.models[1].figures.bits_per_character)


def test_a_common_piece_is_as_long_as_its_characters_without_blanks(uniform, make_model, tmp_path):
    path = tmp_path / "known.txt"
    path.write_text("the cat\n")
    characters = make_model(words=tuple("theca"), segmenter="char", scale=0.0)
    collectors = [Collector(None, each.length_of) for each in (uniform, characters)]
    for each, collector in zip((uniform, characters), collectors, strict=True):
        evaluate_file(each, str(path), on_sentence=collector)

    texts = [collector.text() for collector in collectors]
    for models, order in (((uniform, characters), texts), ((characters, uniform), texts[::-1])):
        assert common_pieces(models, order, TextSource(str(path))).lengths.tolist() == [3, 3, 0]


def test_the_characters_of_pieces_are_those_of_the_text_without_blanks(make_model, tmp_path):
    trained = model_of_a_user(["the cat sat on the mat", "the dog"], byte_fallback=True, vocab_size=600)
    model = make_model(words=all_pieces(trained), segmenter="sentencepiece", subword_model=trained)
    path = tmp_path / "pieces.txt"
    path.write_text("the cat \u65e5\nthe dog\n", encoding="utf-8")
    collector = Collector(None, model.length_of)

    evaluate_file(model, str(path), on_sentence=collector)

    text = collector.text()
    assert "<0xE6>" in model.encode("\u65e5").words
    assert np.add.reduceat(text.lengths, text.starts).tolist() == [len("thecat") + 1, len("thedog")]


def test_lower_case_is_said_to_leave_capitals_unpaid(uniform, make_model, text):
    found = compared({"as it is": uniform, "folded": make_model(lowercase=True, scale=0.0)}, text)

    assert found.measure == "bits_per_character"
    assert found.notes[0] == "folded lower-cases the text first, so its bits do not pay for what that removes"


def test_blocks_and_documents_are_drawn_whole(model, uniform, text):
    models = {"one": model, "other": uniform}

    assert compared(models, text, unit="document").models[0].interval.units == 2
    assert compared(models, text, unit=2).models[0].interval.units == 2
    with pytest.raises(DataError, match=r"1 block of 3 lines to draw from; an interval needs two or more$"):
        compared(models, text, unit=3)


def test_a_text_of_one_line_is_refused(model, uniform, tmp_path):
    path = tmp_path / "one.txt"
    path.write_text("the cat\n\n")

    with pytest.raises(DataError, match=r"one.txt: 1 line to draw from; an interval needs two or more$"):
        compared({"one": model, "other": uniform}, str(path))


def test_models_that_cannot_be_compared_are_refused(model, uniform, make_model, text):
    with pytest.raises(UsageError, match=r"^a comparison needs two models or more, got 1$"):
        compared({"one": model}, text)
    gaps = make_model(family="masked")
    for models in ({"one": model, "gaps": gaps}, {"gaps": gaps, "other": gaps}):
        with pytest.raises(
            UsageError, match=r"^gaps fills gaps, and has no probability of a text; expected models that predict"
        ):
            compared(models, text)
    with pytest.raises(UsageError, match=r"^without leaves out stop words, so it has no bits per character"):
        compared({"one": model, "without": make_model(stop_words=("the",))}, text)


def test_models_that_leave_out_the_same_stop_words_are_compared_by_perplexity(make_model, text):
    one, other = (make_model(stop_words=("the",), scale=scale) for scale in (0.0, 1.0))

    found = compared({"one": one, "other": other}, text)

    assert found.measure == "perplexity"
    assert found.models[0].figures.bits_per_character is None


def test_a_text_that_has_changed_is_refused(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("the cat\n")

    with pytest.raises(DataError, match=r"changed while models were compared"):
        dict(TextSource(str(path)).lines([1, 2]))
