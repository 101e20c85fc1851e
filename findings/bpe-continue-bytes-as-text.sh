#!/bin/bash
# bpe-continue: from a BPE tokenizer with byte fallback, it learns pieces that decode to the names of bytes, not to 你.
#
# Expected: as its README says, new merges only glue existing tokens together, so a text has fewer tokens, and decoding
#   them gives the text back, as before.
# Seen: such a tokenizer (as of Llama 2 or Gemma 1) spells a character that it does not know as tokens named <0xE4>,
#   which its decoder turns into bytes. bpe-continue merges these, too. The piece of three bytes is named
#   <0xE4><0xBD><0xA0>. No decoder takes this for bytes, so decode() writes the 18 letters of the name in place of 你.
#   Encoding works, so a network learns the new ids, and generates text that nobody can read. The script that the
#   vocabulary is continued for is the one that is hit: Chinese, or accents. Byte-level tokenizers, as GPT-2's, whose
#   pieces are named by one letter for each byte, are right.
# lmctl: does not continue vocabularies, and trains its SentencePiece models without byte fallback.
#
# 2026-11-30, bpe-continue 0.1.0, tokenizers 0.23.1, Python 3.11, of a text
#   with 15 new pieces:
#   byte fallback, before: 22 tokens, decoded 你好 the cafés 你
#   byte fallback, after: 4 tokens, decoded <0xE4><0xBD><0xA0><0xE5><0xA5><0xBD> the caf<0xC3><0xA9>s <0xE4><0xBD><0xA0>
#   byte level, before: 21 tokens, decoded 你好 the cafés 你
#   byte level, after: 4 tokens, decoded 你好 the cafés 你
. "$(dirname "$0")/lib.sh"
environment venv bpe-continue==0.1.0 tokenizers==0.23.1
cat >continued.py <<'PY'
from bpe_continue import continue_training
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

TEXT = "你好 the cafés 你"


def with_byte_fallback():
    """A tokenizer of letters and bytes, with the steps of SentencePiece's BPE models in Transformers."""
    pieces = ["<unk>", *(f"<0x{byte:02X}>" for byte in range(256)), *"▁abcdefghijklmnopqrstuvwxyz"]
    numbered = {piece: number for number, piece in enumerate(pieces)}
    made = Tokenizer(models.BPE(numbered, [], unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    made.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    made.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    made.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return made


def byte_level():
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(models.BPE({letter: number for number, letter in enumerate(letters)}, []))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    return made


for kind, base in (("byte fallback", with_byte_fallback()), ("byte level", byte_level())):
    more = continue_training(base, texts=[TEXT] * 9, vocab_size=base.get_vocab_size() + 15, show_progress=False)
    for name, tokenizer in (("before", base), ("after", more)):
        ids = tokenizer.encode(TEXT).ids
        print(f"{kind}, {name}: {len(ids)} tokens, decoded {tokenizer.decode(ids)}")
PY
export PYTHONIOENCODING=utf-8
venv/bin/python continued.py 2>log | tee seen || { cat log; exit 2; }
diff seen - <<'TXT'
byte fallback, before: 22 tokens, decoded 你好 the cafés 你
byte fallback, after: 4 tokens, decoded <0xE4><0xBD><0xA0><0xE5><0xA5><0xBD> the caf<0xC3><0xA9>s <0xE4><0xBD><0xA0>
byte level, before: 21 tokens, decoded 你好 the cafés 你
byte level, after: 4 tokens, decoded 你好 the cafés 你
TXT
