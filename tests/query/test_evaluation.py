import math

import msgspec
import pytest

from lmctl.errors import DataError, InputMissingError
from lmctl.query.evaluation import evaluate_file
from lmctl.text import source_chunks


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("the cat sat\n\nthe zebra\n")
    return str(path)


def test_the_figures_of_a_text_under_a_uniform_model(uniform, text):
    found = evaluate_file(uniform, text, accuracy_at=(1, 9))

    assert (found.sentences, found.words, found.oov, found.tokens) == (2, 5, 1, 7)
    assert found.perplexity == found.perplexity_excluding_oov == pytest.approx(9.0)
    assert found.cross_entropy_nats == pytest.approx(math.log(9.0))
    # All nine tokens are tied, so every rank is 9. The OOV is a miss, too.
    assert found.accuracy == {"1": 0.0, "9": pytest.approx(6 / 7)}
    assert found.mean_reciprocal_rank == pytest.approx(6 / 9 / 7)
    assert (found.vocabulary_size, found.state) == (9, "reset")


def test_bits_per_character_are_those_of_the_lines_with_the_oovs_spelling(uniform, text):
    found = evaluate_file(uniform, text)

    spelling = uniform.characters.spelling_bits("zebra")
    assert found.characters == len("the cat sat\nthe zebra\n")
    assert found.bits_per_character == pytest.approx((7 * math.log2(9) + spelling) / 22)


def test_if_stop_words_were_removed_there_are_no_bits_per_character(make_model, text):
    found = evaluate_file(make_model(stop_words=("sat",)), text)

    assert found.words == 4
    assert found.bits_per_character is None


@pytest.mark.parametrize(("blank_lines", "sentences"), [(None, 2), ("drop", 2), ("keep", 3)])
def test_blank_lines_are_sentences_on_request(uniform, text, blank_lines, sentences):
    assert evaluate_file(uniform, text, blank_lines=blank_lines).sentences == sentences


def test_each_state_has_figures_of_its_own(model, text):
    reset, carry = (evaluate_file(model, text, state=state) for state in ("reset", "carry"))

    assert (reset.state, carry.state) == ("reset", "carry")
    assert reset.tokens == carry.tokens
    assert abs(reset.perplexity / carry.perplexity - 1.0) > 1e-3


def test_tags_around_lines_are_said_unless_the_model_strips_them(model, tmp_path, caplog):
    tagged, bare = tmp_path / "tagged.txt", tmp_path / "bare.txt"
    tagged.write_text("<s> the cat sat </s>\n<s> the zebra </s>\n")
    bare.write_text("the cat sat\nthe zebra\n")

    found = evaluate_file(model, str(tagged))
    assert (found.words, found.oov) == (9, 5)
    assert caplog.messages == [
        (
            f"{tagged}: 2 of 2 lines stand between <s> and </s>, which this model reads as unknown words; to "
            "leave them out, train with text.sentence_tags: strip"
        )
    ]

    caplog.clear()
    record = model.bundle.record
    recipe = msgspec.structs.replace(record.recipe, sentence_tags="strip")
    model.bundle.record = msgspec.structs.replace(record, recipe=recipe)
    model.__dict__.pop("tokenizer", None)
    assert evaluate_file(model, str(tagged)) == evaluate_file(model, str(bare))
    assert caplog.messages == []


def test_sentences_are_told_in_order(model, text):
    told = []

    found = evaluate_file(model, text, on_sentence=told.append)

    assert [score.words for score in told] == [["the", "cat", "sat"], ["the", "zebra"]]
    total = sum(score.total_log_prob for score in told)
    assert found.logprob10 == pytest.approx(total / math.log(10))


@pytest.mark.parametrize("content", ["", "\n \n"])
def test_nothing_to_score_is_an_error(model, tmp_path, content):
    (tmp_path / "blank.txt").write_text(content)

    with pytest.raises(DataError, match=r"blank.txt: nothing to score"):
        evaluate_file(model, str(tmp_path / "blank.txt"))


def test_a_text_that_is_not_there_is_named(model, tmp_path):
    with pytest.raises(InputMissingError, match=r"nothing.txt"):
        evaluate_file(model, str(tmp_path / "nothing.txt"))


def test_the_encoding_of_a_text_can_be_stated(model, tmp_path):
    (tmp_path / "gb.txt").write_bytes("\u7f16\u7a0b the\n".encode("gb18030"))

    found = evaluate_file(model, str(tmp_path / "gb.txt"), encoding="gb18030")

    assert (found.words, found.oov, found.characters) == (2, 1, 7)


def test_a_line_that_is_too_long_is_refused_if_each_line_has_its_record(uniform, tmp_path, monkeypatch):
    monkeypatch.setattr(source_chunks, "LONGEST_LINE_BYTES", 8)
    path = tmp_path / "text.txt"
    path.write_text("the cat\nthe cat sat on the mat\n")

    with pytest.raises(DataError, match=r"text.txt: line 2: longer than 8 bytes"):
        evaluate_file(uniform, str(path), on_pause=lambda: None)
    # The figures of the whole text are the sums of the parts.
    assert evaluate_file(uniform, str(path)).sentences > 2
