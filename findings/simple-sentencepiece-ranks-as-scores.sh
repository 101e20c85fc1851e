#!/bin/bash
# simple-sentencepiece: a BPE model of SentencePiece is cut as if the ranks of its merges were log probabilities.
#
# Expected: as its README says, it takes the .vocab file of a BPE model, and gives the tokens of sentencepiece.
# Seen: it does so for a Unigram model. In the .vocab file of a BPE model, the number beside a piece is the rank of its
#   merge (0, -1, -2 ...), which says what is merged first. The file does not name its kind, and CalcDp in
#   ssentencepiece.cc takes the pieces with the largest sum for both kinds: `▁the` of rank -2 loses against `▁t` and
#   `he` of ranks -1 and 0. The later a piece was merged, the more often it is cut: the sentence here has 35 tokens
#   instead of 22. All ids are valid, and decode() gives the text back. Only the network, which was trained with other
#   ids, is worse.
#   Besides, encode() normalizes the text (NFKC) if it returns pieces, but not if it returns ids, the default. So a
#   letter or a punctuation mark of full width has other ids than its pieces.
# lmctl: uses sentencepiece itself.
#
# 2026-11-30, simple-sentencepiece 0.14, sentencepiece 0.2.3, Python 3.11, of models that sentencepiece trains on a
#   sentence:
#   unigram, the cat was looking: ▁the ▁cat ▁was ▁looking; from .vocab the same
#   bpe, the cat was looking: ▁the ▁cat ▁was ▁looking; from .vocab ▁t he ▁cat ▁w as ▁looking
#   bpe, all of the sentence: 22 tokens; from .vocab 35, decoded the same text
#   unigram, ids of the pieces of ｔｈｅ cat: 3 4; from .vocab 3 4, encoded as ids 35 0 4
. "$(dirname "$0")/lib.sh"
environment venv simple-sentencepiece==0.14 sentencepiece==0.2.3
cat >encode.py <<'PY'
import sentencepiece
from ssentencepiece import Ssentencepiece

SENTENCE = "the cat sat on the mat and was looking at the other cat in the window while the dog ran to them"
WORDS = SENTENCE.split()
TEXT = [" ".join(WORDS[i:] + WORDS[:i]) for i in range(len(WORDS))] * 20
WIDE = "ｔｈｅ cat"


def shown(tokens):
    return " ".join(map(str, tokens))


for kind in ("unigram", "bpe"):
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXT), model_prefix=kind, model_type=kind, vocab_size=80, hard_vocab_limit=False,
        minloglevel=2, num_threads=1,
    )
    reference = sentencepiece.SentencePieceProcessor(model_file=f"{kind}.model")
    other = Ssentencepiece(f"{kind}.vocab")
    text = "the cat was looking"
    expected, seen = reference.encode(text, out_type=str), other.encode(text, out_type=str)
    print(f"{kind}, {text}: {shown(expected)}; from .vocab {'the same' if seen == expected else shown(seen)}")
    assert seen == list(map(other.id_to_piece, other.encode(text)))
    if kind == "unigram":
        ids = [model.piece_to_id(model.encode(WIDE, out_type=str)) for model in (reference, other)]
        assert ids[0] == reference.encode(WIDE)
        wide = (
            f"unigram, ids of the pieces of {WIDE}: {shown(ids[0])}; from .vocab {shown(ids[1])}, "
            f"encoded as ids {shown(other.encode(WIDE))}"
        )
    else:
        tokens = [model.encode(SENTENCE) for model in (reference, other)]
        assert all(model.decode(ids) == SENTENCE for model, ids in zip((reference, other), tokens))
        print(f"bpe, all of the sentence: {len(tokens[0])} tokens; from .vocab {len(tokens[1])}, decoded the same text")
print(wide)
PY
export PYTHONIOENCODING=utf-8
venv/bin/python encode.py 2>log | tee seen || { cat log; exit 2; }
diff seen - <<'TXT'
unigram, the cat was looking: ▁the ▁cat ▁was ▁looking; from .vocab the same
bpe, the cat was looking: ▁the ▁cat ▁was ▁looking; from .vocab ▁t he ▁cat ▁w as ▁looking
bpe, all of the sentence: 22 tokens; from .vocab 35, decoded the same text
unigram, ids of the pieces of ｔｈｅ cat: 3 4; from .vocab 3 4, encoded as ids 35 0 4
TXT
