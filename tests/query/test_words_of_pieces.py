"""`WordPredictor` with models that users have trained, and its candidates."""

import logging

import pytest
from pieces import all_pieces, model_of_a_user

from lmctl.errors import UsageError
from lmctl.query.whole_words import WordPredictor
from lmctl.query.words_of_pieces import Borders

LINES = ["the cat sat on the mat", "the dog, the cat", "the Cat sat 3.14", "on the mat sat the dog"]


@pytest.fixture
def made(make_model):
    """`made(...)`: a network of random weights whose tokens are the pieces of a model of a user."""

    def make(**options):
        trained = model_of_a_user(LINES, **options)
        return make_model(words=all_pieces(trained), segmenter="sentencepiece", subword_model=trained)

    return make


def words(model, context="the", **settings):
    (answer,) = WordPredictor(model, **{"k": 100} | settings).answer([context])
    return {found.word for found in answer.predictions}


@pytest.mark.parametrize("options", [{}, {"add_dummy_prefix": False}, {"byte_fallback": True, "vocab_size": 600}])
def test_words_are_found_with_and_without_a_blank_at_the_start_of_a_line(made, options):
    assert words(made(**options), candidates=["cat", "dog"]) == {"cat", "dog"}
    assert {"cat", "dog"} <= words(made(**options), threshold=1e-4, k=1000)


def test_candidates_are_normalized_as_the_pieces_are(made):
    model = made(normalization_rule_name="nmt_nfkc_cf")
    assert words(model, candidates=["CAT", "\uff44og"]) == {"cat", "dog"}


def test_candidates_that_cannot_be_answers_are_told(made, caplog):
    with caplog.at_level(logging.WARNING):
        found = words(made(), candidates=["cat", "cat,dog", "\u65e5"])

    assert found == {"cat"}
    assert caplog.messages == [
        "2 of 3 candidates are ignored, such as 'cat,dog': they have unknown characters, or several words in them"
    ]


def test_candidates_none_of_which_can_be_an_answer_are_refused(made):
    with pytest.raises(UsageError, match="none of the 1 candidates can be an answer"):
        words(made(), candidates=["cat,dog"])
    assert words(made(), candidates=["cat,dog"], allow_sentence_end=True) == {"</s>"}


def test_candidates_are_all_found_by_a_few_steps(made):
    """Each candidate has one cut after a blank; other cuts of it are not tried."""
    model = made(vocab_size=30)
    (answer,) = WordPredictor(model, k=9, limit=20, candidates=["the", "cat", "mat", "dog"]).answer(["the"])

    assert {found.word for found in answer.predictions} == {"the", "cat", "mat", "dog"}
    assert answer.exact


def test_an_empty_context_continues_the_carried_one(made):
    model = made()
    carried = WordPredictor(model, state="carry")
    first, second = carried.answer(["the ca", ""])
    (peeked,) = WordPredictor(model).answer(["the ca"])

    assert second.predictions == first.predictions == peeked.predictions


def test_a_peeked_context_leaves_no_piece_behind(made):
    model = made()
    peeking = WordPredictor(model, state="carry", peek=True)
    _, empty = peeking.answer(["the ca", ""])

    assert empty.predictions == WordPredictor(model).answer([""])[0].predictions


def test_pieces_that_end_with_a_blank_are_refused(made):
    with pytest.raises(UsageError, match=r"end with a blank, such as '\w+\u2581'; --words expects"):
        WordPredictor(made(treat_whitespace_as_suffix=True))


def test_a_word_in_the_middle_of_a_sentence_begins_with_a_blank_or_is_a_mark(made):
    model = made()
    at_start = words(made(add_dummy_prefix=False), "", k=1000, threshold=1e-4)
    in_the_middle = words(model, "", k=1000, threshold=1e-4, mid_sentence=True)

    assert "at" in at_start
    assert "at" not in in_the_middle
    assert {"the", "cat", ","} <= in_the_middle


def test_an_unknown_word_that_may_be_an_answer_is_not_unseen(made):
    (answer,) = WordPredictor(made(), k=2000, limit=50, allow_unknown=True, allow_sentence_end=True).answer(
        ["the"]
    )

    assert "<unk>" in {found.word for found in answer.predictions}
    assert sum(found.prob for found in answer.predictions) + answer.unseen == pytest.approx(1, abs=1e-6)


WOMAN, JOINER, GIRL, SKIN, HEART, VARIATION = (
    "\U0001f469",
    "\u200d",
    "\U0001f467",
    "\U0001f3fd",
    "\u2764",
    "\ufe0f",
)
THAI, VOWEL = "\u0e01", "\u0e31"
PIECES = ("<unk>", "</s>", "\u2581", "\u2581a", "b", ".", WOMAN, JOINER, GIRL, SKIN, HEART, VARIATION, THAI, VOWEL)
# A border stands before these, whatever is on their left.
ALWAYS = {"<unk>", "</s>", "\u2581", "\u2581a"}
APART = {".", WOMAN, GIRL, HEART, THAI}


@pytest.mark.parametrize(
    ("left", "borders"),
    [
        ("", set()),
        ("b", APART),
        ("\u2581", APART),
        (".", {"b", *APART}),
        (WOMAN, {"b", *APART}),
        # A joiner makes one emoji of two.
        (JOINER, set()),
        (f"{WOMAN}{SKIN}", {"b", *APART}),
        (f"{HEART}{VARIATION}", {"b", *APART}),
        (f"{THAI}{VOWEL}", {"b", *APART}),
        ("e\u0301", APART),
    ],
)
def test_no_word_ends_inside_a_character_as_a_reader_sees_it(left, borders):
    """UAX #29: marks, emoji modifiers and joiners belong to the character on their left."""
    found = Borders(PIECES, lines_start_with_blanks=True).after(left)
    assert {piece for piece, is_border in zip(PIECES, found, strict=True) if is_border} == ALWAYS | borders


def test_a_line_may_start_without_a_blank():
    assert Borders(PIECES, lines_start_with_blanks=False).after("").all()


def test_a_candidate_of_several_code_points_is_one_word(make_model):
    family = f"{WOMAN}{JOINER}{GIRL}"
    trained = model_of_a_user([f"a {family}b"], model_type="char", normalization_rule_name="identity")
    model = make_model(words=all_pieces(trained), segmenter="sentencepiece", subword_model=trained)

    assert words(model, "a", candidates=[family]) == {family}
    with pytest.raises(UsageError, match="none of the 1 candidates can be an answer"):
        words(model, "a", candidates=[f"{family}b"])
