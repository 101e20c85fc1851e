#!/bin/bash
# kitoken: a Unigram model of SentencePiece with byte fallback spells unknown characters with their bytes backwards.
#
# Expected: kitoken is "compatible with SentencePiece", for BPE and Unigram models. A character without a piece is the
#   tokens of its UTF-8 bytes, first byte first.
# Seen: with a BPE model it is so. With a Unigram model, the last byte comes first, for every character of two bytes
#   or more. The number of tokens is right, and so are all tokens of English text. A model that was trained with the
#   tokens of SentencePiece has never seen these sequences, and decode() gives bytes that are no UTF-8. The cause is
#   in src/encoder/unigram.rs: the encoder walks the best path from its end and reverses what it has found. For an
#   unknown character it calls itself, and that call has turned the bytes round already when the outer call does so
#   again.
# lmctl: uses sentencepiece itself.
#
# 2026-11-29, kitoken 0.11.1, sentencepiece 0.2.3, Python 3.11, of models that sentencepiece trains on a sentence:
#   unigram, the cat: the same
#   unigram, café: sentencepiece ends with <0xC3> <0xA9>, kitoken with <0xA9> <0xC3>, decoded b'caf\xa9\xc3'
#   unigram, 猫: sentencepiece ends with <0xE7> <0x8C> <0xAB>, kitoken with <0xAB> <0x8C> <0xE7>, decoded b'\xab\x8c\xe7'
#   bpe, the cat: the same
#   bpe, café: the same
#   bpe, 猫: the same
. "$(dirname "$0")/lib.sh"
environment venv kitoken==0.11.1 sentencepiece==0.2.3
cat >encode.py <<'PY'
import io

import kitoken
import sentencepiece

WORDS = "the cat sat on the mat and the dog ran to the cat".split()
TEXT = [" ".join(WORDS[i:] + WORDS[:i]) for i in range(len(WORDS))] * 20
for kind in ("unigram", "bpe"):
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXT), model_writer=model, model_type=kind, vocab_size=290, hard_vocab_limit=False,
        byte_fallback=True, minloglevel=2, num_threads=1,
    )
    reference = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    other = kitoken.Kitoken.from_sentencepiece(model.getvalue())
    for text in ("the cat", "café", "猫"):
        expected, seen = reference.encode(text), list(other.encode(text, False))
        assert reference.decode(expected) == text and len(expected) == len(seen)
        first = next((place for place, pair in enumerate(zip(expected, seen)) if pair[0] != pair[1]), None)
        if first is None:
            assert other.decode(seen).decode() == text
            print(f"{kind}, {text}: the same")
        else:
            ends = [" ".join(map(reference.id_to_piece, ids[first:])) for ids in (expected, seen)]
            print(
                f"{kind}, {text}: sentencepiece ends with {ends[0]}, kitoken with {ends[1]}, "
                f"decoded {other.decode(seen)}"
            )
PY
export PYTHONIOENCODING=utf-8
venv/bin/python encode.py 2>log | tee seen || { cat log; exit 2; }
diff seen - <<'TXT'
unigram, the cat: the same
unigram, café: sentencepiece ends with <0xC3> <0xA9>, kitoken with <0xA9> <0xC3>, decoded b'caf\xa9\xc3'
unigram, 猫: sentencepiece ends with <0xE7> <0x8C> <0xAB>, kitoken with <0xAB> <0x8C> <0xE7>, decoded b'\xab\x8c\xe7'
bpe, the cat: the same
bpe, café: the same
bpe, 猫: the same
TXT
