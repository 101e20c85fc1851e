#!/bin/bash
# tokie: in a Unigram tokenizer with byte fallback, pieces of one letter get the ids of bytes, under the same names.
#
# Expected: "drop-in replacement for HuggingFace tokenizers", "100% token-accurate": the same ids for the same
#   tokenizer.json. `s` is the piece s, and <0x73> is only for bytes of characters without a piece.
# Seen: both become the byte 0x73 while the file is read (decode_sentencepiece_token in tokie's hf.rs), and the later
#   entry takes the place of the earlier one. `s` gets the id of <0x73>, at its worse score: a network looks up
#   another vector. A comparison of tokens does not show it, since tokie's name of that id is s; nor does decode().
#   The ids of é are right, but decode() reads each token as UTF-8 alone, and gives None where one is a part of a
#   character. splintr gives the ids of tokenizers for the same file.
# lmctl: uses sentencepiece itself.
#
# 2026-11-29, tokie 0.1.4, splintr-rs 0.22.0, tokenizers 0.23.3, Python 3.11:
#   the cat: [6, 7]; by splintr [6, 7]; by tokie [6, 7]
#   the cats: [6, 7, 5]; by splintr [6, 7, 5]; by tokie [6, 7, 125]
#   seat: [1, 5, 4, 9]; by splintr [1, 5, 4, 9]; by tokie [1, 125, 111, 9]
#   tokens of the cats: ['▁the', '▁cat', 's']; by tokie ['▁the', '▁cat', 's']; 5 is 's', 125 is '<0x73>'
#   é: [1, 205, 179], decoded 'é'; by tokie [1, 205, 179], decoded None
. "$(dirname "$0")/lib.sh"
environment venv tokie==0.1.4 splintr-rs==0.22.0 tokenizers==0.23.3
cat >encode.py <<'PY'
import splintr
import tokie
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

PIECES = ["<unk>", "▁", "a", "t", "e", "s", "▁the", "▁cat", "▁a", "at"]
vocabulary = [(piece, -2.0 - place / 10) for place, piece in enumerate(PIECES)]
vocabulary += [(f"<0x{byte:02X}>", -12.0) for byte in range(256)]
reference = Tokenizer(models.Unigram(vocabulary, unk_id=0, byte_fallback=True))
reference.pre_tokenizer = pre_tokenizers.Metaspace()
reference.decoder = decoders.Sequence(
    [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
)
reference.save("tokenizer.json")
by_tokie, by_splintr = tokie.Tokenizer.from_json("tokenizer.json"), splintr.from_json("tokenizer.json")


def ids(tokenizer, text):
    return list(getattr(encoding := tokenizer.encode(text), "ids", encoding))


for text in ("the cat", "the cats", "seat"):
    print(f"{text}: {ids(reference, text)}; by splintr {ids(by_splintr, text)}; by tokie {ids(by_tokie, text)}")
tokens = [list(tokenizer.encode("the cats").tokens) for tokenizer in (reference, by_tokie)]
names = [reference.id_to_token(number) for number in (5, 125)]
print(f"tokens of the cats: {tokens[0]}; by tokie {tokens[1]}; 5 is {names[0]!r}, 125 is {names[1]!r}")
expected, seen = ids(reference, "é"), ids(by_tokie, "é")
print(f"é: {expected}, decoded {reference.decode(expected)!r}; by tokie {seen}, decoded {by_tokie.decode(seen)!r}")
PY
export PYTHONIOENCODING=utf-8
venv/bin/python encode.py 2>log | tee seen || { cat log; exit 2; }
diff seen - <<'TXT'
the cat: [6, 7]; by splintr [6, 7]; by tokie [6, 7]
the cats: [6, 7, 5]; by splintr [6, 7, 5]; by tokie [6, 7, 125]
seat: [1, 5, 4, 9]; by splintr [1, 5, 4, 9]; by tokie [1, 125, 111, 9]
tokens of the cats: ['▁the', '▁cat', 's']; by tokie ['▁the', '▁cat', 's']; 5 is 's', 125 is '<0x73>'
é: [1, 205, 179], decoded 'é'; by tokie [1, 205, 179], decoded None
TXT
