#!/bin/bash
# pyctcdecode and ctc-beam-decoder: a word of an ARPA file that has no back-off weight is unknown to the decoder.
#
# Expected: the words of the unigrams are the known words. A back-off weight is needed only where an n-gram is the
#   start of a longer one (SRILM's ngram-format(5)), and SRILM and kaldingram write no other. KenLM gives the word the
#   same probability with and without the weight.
# Seen: a decoder that is given a file NAME.arpa and no list of words takes for known only the lines of unigrams with
#   three fields. A word without a weight gets the offset of unknown words, and while it is spelled its beam falls so
#   far behind that it is dropped. The word with the best sound and the best probability is not even among the
#   answers. A weight of 0 in the file, a list of words, or the same file under another name, such as NAME.lm, gives
#   another answer.
# lmctl: `export --to arpa` writes a weight for each unigram, and `--to words` writes the list.
#
# 2026-11-29, pyctcdecode 0.5.0, ctc-beam-decoder 0.2.0, kenlm-ex 0.2.1 (a package of KenLM with wheels), numpy 1.26.4,
# Python 3.11; scores of the sound plus those of the language model, in natural logarithms:
#   pyctcdecode, without: bat -5.2912; with 0, with a list, as .lm: hat -2.8134, bat -5.2912
#   ctc_beam_decoder, without: bat -5.2912; with 0, with a list, as .lm: hat -2.8134, bat -5.2912
. "$(dirname "$0")/lib.sh"
environment venv pyctcdecode==0.5.0 ctc-beam-decoder==0.2.0 kenlm-ex==0.2.1 numpy==1.26.4
cat >decode.py <<'PY'
import importlib
import logging
import pathlib

import numpy as np

logging.disable(logging.CRITICAL)
LABELS = ["", *"abcht", " "]  # the first one is CTC's blank
TEXT = """\\data\\
ngram 1=6
ngram 2=2

\\1-grams:
-1.5	<unk>
-99	<s>	-0.2
-0.3	</s>
-0.5	hat
-1.2	bat	-0.2
-1.2	cat	-0.2

\\2-grams:
-0.3	cat bat
-0.4	bat cat

\\end\\
"""
for name in ("without.arpa", "without.lm"):
    pathlib.Path(name).write_text(TEXT)
pathlib.Path("with.arpa").write_text(TEXT.replace("hat\n", "hat\t0\n"))
sound = np.full((3, len(LABELS)), 1e-6)
for step, letters in enumerate(({"h": 0.6, "b": 0.4}, {"a": 1.0}, {"t": 1.0})):
    for letter, share in letters.items():
        sound[step, LABELS.index(letter)] = share
sound = np.log(sound / sound.sum(axis=1, keepdims=True)).astype(np.float32)


def answers(library, arpa, words=None):
    build = importlib.import_module(library).build_ctcdecoder
    decoder = build(LABELS, kenlm_model_path=arpa, unigrams=words, alpha=1.0, beta=0.0)
    return ", ".join(f"{beam[0]} {beam[-1]:.4f}" for beam in decoder.decode_beams(sound)[:2])


for library in ("pyctcdecode", "ctc_beam_decoder"):
    right = {
        answers(library, "with.arpa"),
        answers(library, "without.arpa", ["hat", "bat", "cat"]),
        answers(library, "without.lm"),
    }
    print(f"{library}, without: {answers(library, 'without.arpa')}; with 0, with a list, as .lm: {'; '.join(right)}")
PY
venv/bin/python decode.py 2>log | tee seen || { cat log; exit 2; }
diff seen - <<'TXT'
pyctcdecode, without: bat -5.2912; with 0, with a list, as .lm: hat -2.8134, bat -5.2912
ctc_beam_decoder, without: bat -5.2912; with 0, with a list, as .lm: hat -2.8134, bat -5.2912
TXT
