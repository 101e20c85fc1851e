import pickle
import sys

import pytest
import sentencepiece  # noqa: TID253
from pieces import model_of_a_user

from lmctl.errors import DataError, MissingExtraError, UsageError
from lmctl.text.alignment import LocatedToken, locate_tokens
from lmctl.text.detokenization import Detokenizer, detokenize
from lmctl.text.normalization import Normalization
from lmctl.text.segmentation import make_segmenter
from lmctl.text.subword_training import train_subwords
from lmctl.text.subwords import characters_in
from lmctl.text.tokenization import Tokenizer

LINES = ["the cat sat on the mat", "the dog sat on the cat", "a cat and a dog don't eat", "语言模型预测下一个词。"]


def spm_model(**options):
    """A model with the defaults of sentencepiece."""
    return model_of_a_user(LINES, **options)


@pytest.fixture(scope="module")
def model():
    return train_subwords(LINES, 100, "bpe")


@pytest.fixture(scope="module")
def segmenter(model):
    return make_segmenter("sentencepiece", model=model)


@pytest.mark.parametrize("line", ["the cat", "cats eat dogs", "一个词", "x 𠀀!", "", " "])
def test_a_line_has_the_pieces_of_sentencepiece(model, segmenter, line):
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    assert segmenter.segment(line) == processor.encode(line, return_type=str)


def test_reserved_words_of_the_text_stay_whole(segmenter):
    assert segmenter.segment("the <unk> cat </s>") == ["▁the", "<unk>", "▁cat", "</s>"]


def test_all_white_space_is_a_blank(segmenter):
    assert segmenter.segment(" the\t\u3000cat\u2028") == ["▁the", "▁cat"]


@pytest.mark.parametrize(
    ("pieces", "characters"),
    [
        (["▁the"], 3),
        (["▁"], 0),
        (["语言"], 2),
        (["▁a▁b"], 2),
        # U+65E5 and U+00E9 in UTF-8, and one byte of ASCII.
        (["<0xE6>", "<0x97>", "<0xA5>"], 1),
        (["▁", "<0xC3>", "<0xA9>", "<0x7A>"], 2),
        (["<0xZZ>"], 6),
    ],
)
def test_the_characters_that_pieces_write(pieces, characters):
    assert sum(map(characters_in, pieces)) == characters


@pytest.mark.parametrize(
    "line", ["  the  cats <unk>\tdon't, 语言𠀀", "<unk> the<unk>", "x\u00a0the", "the cat 。"]
)
def test_a_place_has_the_characters_of_its_piece(segmenter, line):
    texts = [line[start:end] for start, end in segmenter.places(line)]
    pieces = [piece.replace("▁", "") for piece in segmenter.segment(line)]
    assert texts == pieces


def test_a_ligature_is_the_place_of_the_letters_that_its_model_makes_of_it():
    # The default rule of SentencePiece, nmt_nfkc, decomposes U+FB01 into f and i.
    tokenizer = Tokenizer(
        Normalization("none", False), make_segmenter("sentencepiece", model=spm_model()), frozenset()
    )
    found = locate_tokens(tokenizer, "a \ufb01")
    assert "".join(token.token for token in found) == "▁a▁fi"
    assert [(token.start, token.end) for token in found if token.end > token.start][-1] == (2, 3)


def test_places_are_those_of_the_line_before_normalization(segmenter):
    tokenizer = Tokenizer(Normalization("nfc", True), segmenter, frozenset())
    assert locate_tokens(tokenizer, "The  CAT")[-1] == LocatedToken("▁cat", 5, 8)
    assert locate_tokens(tokenizer, "the\ud800 cat")[-2:] == [("\ufffd", 3, 4), ("▁cat", 5, 8)]


@pytest.mark.parametrize("line", ["the cat don't", "the <unk> cat", "一个词。", "the cat 语言"])
def test_the_pieces_joined_are_the_line(segmenter, line):
    assert detokenize(segmenter.segment(line), "sentencepiece") == line


def test_blanks_at_the_ends_of_pieces_belong_to_the_words_on_their_left():
    """A model with treat_whitespace_as_suffix."""
    tokenizer = Tokenizer(
        Normalization("none", False),
        make_segmenter("sentencepiece", model=spm_model(treat_whitespace_as_suffix=True)),
        frozenset(),
    )
    found = locate_tokens(tokenizer, "cat  x the")

    assert [token.token for token in found] == ["cat▁", "x", "▁", "the▁"]
    assert [(token.start, token.end) for token in found] == [(0, 3), (5, 6), (6, 6), (7, 10)]
    assert detokenize([token.token for token in found], "sentencepiece") == "cat x the"


def test_a_blank_after_the_last_word_of_a_line_that_is_normalized_has_an_empty_place_there():
    tokenizer = Tokenizer(
        Normalization("nfc", False),
        make_segmenter("sentencepiece", model=spm_model(treat_whitespace_as_suffix=True)),
        frozenset(),
    )
    assert locate_tokens(tokenizer, " x\u0301e\u0301") == [
        LocatedToken("x\u0301\u00e9", 1, 5),
        LocatedToken("▁", 5, 5),
    ]


def test_neighbouring_characters_that_are_unknown_are_one_piece(segmenter):
    assert segmenter.segment("the xyz") == ["▁the", "▁", "xyz"]


def test_bytes_are_written_when_they_make_a_character():
    segmenter = make_segmenter("sentencepiece", model=spm_model(byte_fallback=True))
    pieces = segmenter.segment("a 𠀀a")
    assert pieces == ["▁a", "▁", "<0xF0>", "<0xA0>", "<0x80>", "<0x80>", "a"]
    detokenizer = Detokenizer("sentencepiece")
    assert [detokenizer.append(piece) for piece in pieces] == ["a", "", "", "", "", " 𠀀", "a"]


def test_bytes_that_make_no_character_are_replaced():
    assert detokenize(["▁a", "<0xF0>", "▁b", "<0xFF>"], "sentencepiece") == "a\ufffd b\ufffd"
    # A byte that cannot continue a character may begin the next one.
    detokenizer = Detokenizer("sentencepiece")
    pieces = ["<0xE8>", "<0xE4>", "<0xBD>", "<0xA0>", "<0xE8>", "<0x41>"]
    assert [detokenizer.append(piece) for piece in pieces] == ["", "\ufffd", "", "你", "", "\ufffdA"]


def test_a_segmenter_is_made_once_for_a_model(model, segmenter):
    assert pickle.loads(pickle.dumps(segmenter)) is segmenter  # noqa: S301


def test_the_identity_is_that_of_the_model_and_of_its_pieces(model, segmenter):
    other = make_segmenter("sentencepiece", model=train_subwords(LINES, 40, "bpe"))
    assert segmenter.identity.name == "sentencepiece"
    assert segmenter.identity.dictionary_sha256 != other.identity.dictionary_sha256


@pytest.mark.parametrize("content", [b"no model\n", b"\0" * 100])
def test_another_file_is_no_model(content):
    with pytest.raises(DataError, match="expected a SentencePiece model"):
        make_segmenter("sentencepiece", model=content)


def test_a_user_dictionary_is_refused(model):
    with pytest.raises(UsageError, match="sentencepiece segmenter has no dictionary"):
        make_segmenter("sentencepiece", user_dictionary=b"{}", model=model)


def test_without_the_package_the_message_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "sentencepiece", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'lmctl\[sentencepiece\]'"):
        make_segmenter("sentencepiece", model=b"any")
