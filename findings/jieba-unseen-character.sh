#!/bin/bash
# jieba: a character that its HMM has never seen undoes every other decision of the HMM in the same run of characters.
#
# Expected: in a run of characters that the dictionary has no words for, one unknown character costs its place, and
#   the others are cut as before. jieba-next and jieba_pyfast, faster copies with the same tables, cut as jieba does
#   (jieba-next's page says that it aims at that).
# Seen: the log probability of an unseen character is -3.14e100. Added to -20, it is -3.14e100: the other sums vanish
#   in the rounding, all paths through the run are equal, and the comparison of equals decides. jieba takes the
#   greater letter of B, E, M, S, so every character of the run is a word. The copies take a path only if it is
#   greater than -3.14e100, and fall back on E for the last character and M before it, so the whole run is one word.
#   Such characters are in names and old texts; of 300 lines of Chinese Wikipedia, 10 are cut otherwise by jieba-next.
# lmctl: cuts with rjieba, which agrees with jieba here, or with jieba. Each model names its engine.
#
# 2026-11-29, jieba 0.42.1, rjieba 0.2.2, jieba-next 1.0.0rc1, jieba_pyfast 4.0.1, Python 3.11:
#   杭研大厦: 杭研/大厦 by all of them
#   鰤杭研大厦: 鰤/杭/研/大厦 by jieba, rjieba; 鰤杭研/大厦 by jieba_next, jieba_pyfast
#   奋起刺其胸而呼曰: 奋起/刺其/胸而呼/曰 by all of them
#   奋起揕其胸而呼曰: 奋起/揕/其/胸/而/呼/曰 by jieba, rjieba; 奋起/揕其胸而呼曰 by jieba_next, jieba_pyfast
#   高畑勲导演: 高/畑/勲/导演 by jieba, rjieba; 高畑勲/导演 by jieba_next, jieba_pyfast
#   log probability of 杭研: -17.8 as B E; of 鰤杭研: -3.14e+100 as S S S
. "$(dirname "$0")/lib.sh"
environment venv jieba==0.42.1 rjieba==0.2.2 jieba-next==1.0.0rc1 jieba_pyfast==4.0.1
cat >cut.py <<'PY'
import logging
import os

os.environ["XDG_CACHE_HOME"] = os.environ["TMPDIR"] = os.getcwd()  # the copies keep a cache, too
import jieba
import jieba_next
import jieba_pyfast
import rjieba
from jieba import finalseg

logging.disable(logging.CRITICAL)
PACKAGES = (jieba, rjieba, jieba_next, jieba_pyfast)
for text in ("杭研大厦", "鰤杭研大厦", "奋起刺其胸而呼曰", "奋起揕其胸而呼曰", "高畑勲导演"):
    answers = {}
    for package in PACKAGES:
        answers.setdefault("/".join(package.cut(text)), []).append(package.__name__)
    print(
        f"{text}: "
        + "; ".join(f"{cut} by {'all of them' if len(by) == 4 else ', '.join(by)}" for cut, by in answers.items())
    )
sums = [finalseg.viterbi(run, "BMES", finalseg.start_P, finalseg.trans_P, finalseg.emit_P) for run in ("杭研", "鰤杭研")]
(seen, states), (unseen, singles) = sums
print(f"log probability of 杭研: {seen:.1f} as {' '.join(states)}; of 鰤杭研: {unseen:g} as {' '.join(singles)}")
PY
export PYTHONIOENCODING=utf-8
venv/bin/python -W ignore cut.py 2>log | tee seen || { cat log; exit 2; }
diff seen - <<'TXT'
杭研大厦: 杭研/大厦 by all of them
鰤杭研大厦: 鰤/杭/研/大厦 by jieba, rjieba; 鰤杭研/大厦 by jieba_next, jieba_pyfast
奋起刺其胸而呼曰: 奋起/刺其/胸而呼/曰 by all of them
奋起揕其胸而呼曰: 奋起/揕/其/胸/而/呼/曰 by jieba, rjieba; 奋起/揕其胸而呼曰 by jieba_next, jieba_pyfast
高畑勲导演: 高/畑/勲/导演 by jieba, rjieba; 高畑勲/导演 by jieba_next, jieba_pyfast
log probability of 杭研: -17.8 as B E; of 鰤杭研: -3.14e+100 as S S S
TXT
