#!/bin/bash
# real-wordpiece: already its third merge is not the pair with the best score, in the example of the course it follows.
#
# Expected: as its README says, each step merges the pair with the largest count(pair) / (count(first) count(second)).
#   Each merge takes from the counts of its two pieces, and so raises the scores of all other pairs with one of them.
# Seen: merge_pair in trainer.py scores the new pairs of the merged piece, and leaves the scores of all other pairs as
#   they were at first. Once `##g` is nearly gone into `##gs`, and `##u` into `pu` and `hu`, `##u` + `##n` is worth
#   0.25, but still counts as 0.03, and `hugs` of 0.07 is merged before. A pair that has become rarer keeps its old
#   score, too. No vocabulary is invalid: it is just another one.
# lmctl: trains its pieces with sentencepiece, which has no WordPiece.
#
# 2026-11-30, real-wordpiece 0.1.7, tokenizers 0.19.1, Python 3.11, of the words of Hugging Face's course: hug
#   (10 times), pug (5), pun (12), bun (4), hugs (5). The score of each merge by counts, and the best score:
#   ##gs 0.0500 best
#   pu 0.0278 best
#   pun 0.0441, but ##ugs 0.0526
#   hu 0.0526, but pug 0.0667
#   hugs 0.0667, but ##un 0.2500
#   hug 0.0667, but ##un 0.2500
#   ##un 0.2500 best
. "$(dirname "$0")/lib.sh"
environment venv real-wordpiece==0.1.7 tokenizers==0.19.1
cat >merges.py <<'PY'
from collections import Counter

from real_wordpiece.trainer import RealWordPieceTrainer
from tokenizers import Tokenizer, models, pre_tokenizers

COUNTS = {"hug": 10, "pug": 5, "pun": 12, "bun": 4, "hugs": 5}
MERGES = 7

letters = {letter for word in COUNTS for letter in word} | {f"##{letter}" for word in COUNTS for letter in word[1:]}
tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
trainer = RealWordPieceTrainer(vocab_size=1 + len(letters) + MERGES, special_tokens=["[UNK]"])
trainer.train_tokenizer([" ".join([word] * count) for word, count in COUNTS.items()], tokenizer)
vocabulary = sorted(tokenizer.get_vocab(), key=tokenizer.get_vocab().get)


def joined(pair):
    return pair[0] + pair[1].removeprefix("##")


def scores(words):
    """The score of each pair, from the counts of pieces and pairs as they are now."""
    pieces, pairs = Counter(), Counter()
    for word, count in words:
        for piece in word:
            pieces[piece] += count
        for pair in zip(word, word[1:]):
            pairs[pair] += count
    return {pair: count / (pieces[pair[0]] * pieces[pair[1]]) for pair, count in pairs.items()}


words = [([word[0], *(f"##{letter}" for letter in word[1:])], count) for word, count in COUNTS.items()]
for merged in vocabulary[1 + len(letters) :]:
    now = scores(words)
    score = max(value for pair, value in now.items() if joined(pair) == merged)
    best = max(now.values())
    better = sorted(joined(pair) for pair, value in now.items() if value == best)[0]
    print(f"{merged} {score:.4f}{' best' if score == best else f', but {better} {best:.4f}'}")
    for word, _ in words:
        for at in reversed(range(len(word) - 1)):
            if joined(word[at : at + 2]) == merged:
                word[at : at + 2] = [merged]
PY
venv/bin/python merges.py 2>log | tee seen || { cat log; exit 2; }
diff seen - <<'TXT'
##gs 0.0500 best
pu 0.0278 best
pun 0.0441, but ##ugs 0.0526
hu 0.0526, but pug 0.0667
hugs 0.0667, but ##un 0.2500
hug 0.0667, but ##un 0.2500
##un 0.2500 best
TXT
