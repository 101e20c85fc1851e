"""`prepare` and `segment` with the segmenter sentencepiece."""

import io
import sys

import pytest
import sentencepiece  # noqa: TID253
from folders import contents
from preparing import config, words_of

from lmctl.config import TextConfig
from lmctl.corpus.holding_out import line_is_valid
from lmctl.errors import DataError, InputMissingError, UsageError
from lmctl.jobs import prepare as job
from lmctl.jobs.prepare import prepare, segment
from lmctl.jobs.tokenizing import make_tokenizer
from lmctl.text.subword_training import train_subwords

LINES = [f"the {animal} sat on the {place}" for animal in ("cat", "dog", "hen") for place in ("mat", "log", "bed")]
TEXT = "".join(f"{line}\n" for line in LINES * 20)
BPE = {"segmenter": "sentencepiece", "subwords": 40, "subword_algorithm": "bpe"}


def knows(corpus, character):
    """Whether the pieces of a corpus have a character."""
    model = sentencepiece.SentencePieceProcessor(model_proto=corpus.recipe_files()["subwords.model"])
    return any(character in model.id_to_piece(number) for number in range(model.get_piece_size()))


def test_a_corpus_keeps_the_model_that_was_trained_on_its_text(write, tmp_path):
    corpus = prepare([write("text.txt", TEXT)], tmp_path / "corpus", config(text=BPE))

    model = train_subwords(LINES * 20, 40, "bpe")
    assert corpus.recipe_files() == {"subwords.model": model}
    pieces = sentencepiece.SentencePieceProcessor(model_proto=model).encode(LINES[0], return_type=str)
    assert words_of(corpus, corpus.train).startswith(" ".join([*pieces, "</s>"]))
    tokenizer = corpus.record.recipe.tokenizer(corpus.recipe_files())
    assert tokenizer.tokens(LINES[0]) == pieces
    assert tokenizer.segmenter.identity == corpus.record.recipe.segmenter


def test_standard_input_is_read_twice(write, tmp_path, monkeypatch):
    from_file = prepare([write("text.txt", TEXT)], tmp_path / "file", config(text=BPE))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(TEXT.encode())))
    from_pipe = prepare(["-"], tmp_path / "pipe", config(text=BPE))

    assert from_pipe.recipe_files() == from_file.recipe_files()
    assert from_pipe.train.tolist() == from_file.train.tolist()
    assert from_pipe.record.sources[0].bytes == len(TEXT)


@pytest.mark.parametrize(("chunk_bytes", "jobs"), [(97, 1), (1000, 2)])
def test_chunks_of_any_size_and_any_number_of_workers_give_the_same_bytes(
    write, tmp_path, monkeypatch, chunk_bytes, jobs
):
    text = write("text.txt", TEXT)
    whole = prepare([text], tmp_path / "whole", config(text=BPE), jobs=1)
    monkeypatch.setattr(job, "CHUNK_BYTES", chunk_bytes)
    prepare([text], tmp_path / "chunks", config(text=BPE), jobs=jobs)

    assert contents(tmp_path / "chunks") == contents(whole.folder)


def test_lines_that_validate_teach_no_pieces(write, tmp_path):
    lines = [f"word{number} the cat sat on the mat" for number in range(200)]
    rare = next(f"\u017e{number}" for number in range(100) if line_is_valid(f"\u017e{number}", 0.3))
    text = write("text.txt", "".join(f"{line}\n" for line in [*lines, *[rare] * 200]))

    held_out = prepare([text], tmp_path / "held-out", config(text=BPE, fraction=0.3))
    whole = prepare([text], tmp_path / "whole", config(text=BPE, fraction=0))

    assert held_out.record.valid.sentences > 200
    assert {corpus.folder.name: knows(corpus, "\u017e") for corpus in (held_out, whole)} == {
        "held-out": False,
        "whole": True,
    }


def test_parts_of_a_long_line_that_validate_teach_no_pieces(write, tmp_path):
    # Each part ends with the last blank among its 1,024 characters, so its hash decides for itself.
    parts = []
    for number in range(60):
        common, rare = (f"{number} {letter * 200} {'cat ' * 300}"[:1023] + " " for letter in ("n", "\u017e"))
        parts.append(rare if line_is_valid(rare, 0.2) else common)
    text = write("text.txt", "".join(parts))

    corpus = prepare([text], tmp_path / "corpus", config(text=BPE, fraction=0.2))

    assert corpus.valid_text.read_text().count("\u017e") == "".join(parts).count("\u017e") > 1000
    assert not knows(corpus, "\u017e")


def test_all_lines_of_a_few_sentences_teach_pieces(write, tmp_path):
    lines = ["abc", "def", "ghi", "jkl"]
    corpus = prepare([write("text.txt", "\n".join(lines))], tmp_path / "corpus", config(text=BPE, fraction=0.5))

    assert corpus.record.train.oov == 0
    assert {character for word in corpus.vocabulary.words[2:] for character in word} >= set("abcdefghijkl")


def test_a_model_of_the_user_cuts_the_text(write, tmp_path):
    model = tmp_path / "user.model"
    model.write_bytes(train_subwords(["sat on the"], 20, "bpe"))
    text = {"segmenter": "sentencepiece", "model_file": str(model)}
    corpus = prepare([write("text.txt", TEXT)], tmp_path / "corpus", config(text=text))

    assert corpus.recipe_files() == {"subwords.model": model.read_bytes()}
    assert "▁cat" not in corpus.vocabulary.words


def test_segmented_text_has_the_pieces_that_it_taught(write):
    text = write("text.txt", TEXT)
    expected = make_tokenizer(
        TextConfig(segmenter="sentencepiece"), "sentencepiece", train_subwords(LINES * 20, 40, "bpe")
    )
    assert [tokens for tokens, _ in segment([text], TextConfig(**BPE))][:9] == [*map(expected.tokens, LINES)]


def test_a_text_without_words_is_named(write, tmp_path):
    text = write("blank.txt", " \n\n")
    with pytest.raises(DataError, match=r"blank\.txt: nothing to train on; the text has no words"):
        prepare([text], tmp_path / "corpus", config(text=BPE))
    assert not (tmp_path / "corpus").exists()


def test_too_few_pieces_are_refused_in_one_line(write, tmp_path):
    text = write("text.txt", "abcdefghijklmnopqrstuvwxyz\n")
    with pytest.raises(UsageError, match=r"text\.subwords: 10 pieces are too few"):
        prepare([text], tmp_path / "corpus", config(text=BPE | {"subwords": 10}))


def test_another_file_is_no_model(write, tmp_path):
    text, wrong = write("text.txt", TEXT), write("wrong.model", TEXT)
    configured = config(text={"segmenter": "sentencepiece", "model_file": str(wrong)})
    with pytest.raises(DataError, match=r"wrong\.model: expected a SentencePiece model"):
        prepare([text], tmp_path / "corpus", configured)


def test_a_missing_model_is_named(write, tmp_path):
    configured = config(text={"segmenter": "sentencepiece", "model_file": str(tmp_path / "none.model")})
    with pytest.raises(InputMissingError, match=r"none\.model"):
        prepare([write("text.txt", TEXT)], tmp_path / "corpus", configured)


def test_a_vocabulary_of_words_is_warned_of(write, tmp_path, caplog):
    listed = write("words.txt", "\u2581the\ncat\n")
    prepare([write("text.txt", TEXT)], tmp_path / "corpus", config(text=BPE, vocabulary={"file": str(listed)}))

    (message,) = [each for each in caplog.messages if "words.txt" in each]
    assert message.startswith(f"{listed}: 1 of 2 words are no pieces of words, such as 'cat', and do not occur")
