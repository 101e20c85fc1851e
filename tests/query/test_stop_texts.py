import pytest
from pieces import all_pieces, model_of_a_user

from lmctl.errors import UsageError
from lmctl.query.generation import TextGenerator
from lmctl.query.stop_texts import StopTexts

PIECES = (
    *("<unk>", "</s>", "\u2581", "\u2581of", "of", "\u2581the", "t", "he"),
    *(",", "\u2581,", "<0xE6>", "<0x97>", "<0xA5>"),
)


def come(stop, *pieces):
    """Whether the last of the pieces ends a stop."""
    *before, last = map(PIECES.index, pieces)
    return StopTexts([stop], PIECES).come_with(before, last)


def test_a_stop_comes_in_any_pieces_with_or_without_a_blank():
    assert come(",", ",")
    assert come(",", "of", "\u2581,")
    assert come("of the", "\u2581of", "\u2581the")
    assert come("of the", "\u2581", "of", "\u2581", "t", "he")
    assert come("of the", "t", "of", "\u2581the")
    assert come("\u65e5", "<0xE6>", "<0x97>", "<0xA5>")


def test_a_stop_is_neither_a_part_of_a_piece_nor_reaches_over_the_end_of_a_sentence():
    assert not come("h", "he")
    assert not come("e the", "he", "\u2581", "t")
    assert not come("of the", "of", "</s>", "\u2581the")
    assert not come("he", "\u2581the")


def test_a_stop_that_no_pieces_write_cannot_come():
    assert StopTexts(["the oft"], PIECES).can_come()
    assert StopTexts(["\u65e5"], PIECES).can_come()
    assert not StopTexts(["then"], PIECES).can_come()


@pytest.fixture
def model(make_model):
    trained = model_of_a_user(["the cat, the dog,", "a cat sat, a dog"])
    return make_model(words=all_pieces(trained), segmenter="sentencepiece", subword_model=trained)


@pytest.mark.parametrize("options", [{"seed": 1}, {"beam": 3}])
def test_a_text_ends_at_a_comma_after_a_word(model, options):
    """In the model, the pieces of `,` alone are `\u2581,` or `\u2581` and `,`, and a comma after a word is `,`."""
    prompts = TextGenerator(model, stop=[","], words=500, sentences=500, **options)
    ((text,),) = list(prompts.generate([prompts.read("the cat")]))

    assert text.ended_by == "stop"
    assert text.text.endswith(",")
    assert text.text.count(",") == 1


def test_a_stop_that_cannot_come_is_refused(model):
    with pytest.raises(UsageError, match="the stop 'xyz' would never come: no pieces"):
        TextGenerator(model, stop=["xyz"])
    with pytest.raises(UsageError, match="the stop ' ' has no words"):
        TextGenerator(model, stop=[" "])
