#!/bin/bash
# sacrebleu: tokenize="zh" cuts Latin words at a typographic apostrophe or dash, and does not cut rare ideographs.
#
# Expected: each Chinese character is a token, and the rest is cut as by 13a, which keeps don’t and 1990–1995 whole.
# Seen: the table of ranges has '\u20000', which is two characters, U+2000 and 0. So all characters from U+2001 to
#   U+2A6D count as Chinese: quotation marks, dashes, the ellipsis, arrows, ① and others. Ideographs above U+FFFF, for
#   which the row is meant, do not: a name of three of them is one token, and all of it is wrong if one character is.
#   So BLEU counts other n-grams. A corpus with ' for the apostrophe has other tokens than one with ’.
# lmctl: has no BLEU. Its segmenter `words` keeps don’t whole, and knows these ideographs as Han.
#
# 2026-11-29, sacrebleu 2.6.0, Python 3.11:
#   don’t: 13a don’t; zh don ’ t
#   don't: 13a don't; zh don't
#   1990–1995: 13a 1990–1995; zh 1990 – 1995
#   a→b: 13a a→b; zh a → b
#   吉吉吉: 13a 吉吉吉; zh 吉 吉 吉
#   𠮷𠮷𠮷: 13a 𠮷𠮷𠮷; zh 𠮷𠮷𠮷
. "$(dirname "$0")/lib.sh"
environment venv sacrebleu==2.6.0
cat >cut.py <<'PY'
from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a
from sacrebleu.tokenizers.tokenizer_zh import TokenizerZh

standard, chinese = Tokenizer13a(), TokenizerZh()
for text in ("don’t", "don't", "1990–1995", "a→b", "吉吉吉", "𠮷𠮷𠮷"):
    print(f"{text}: 13a {standard(text)}; zh {chinese(text)}")
PY
export PYTHONIOENCODING=utf-8
venv/bin/python cut.py 2>log | tee seen || { cat log; exit 2; }
diff seen - <<'TXT'
don’t: 13a don’t; zh don ’ t
don't: 13a don't; zh don't
1990–1995: 13a 1990–1995; zh 1990 – 1995
a→b: 13a a→b; zh a → b
吉吉吉: 13a 吉吉吉; zh 吉 吉 吉
𠮷𠮷𠮷: 13a 𠮷𠮷𠮷; zh 𠮷𠮷𠮷
TXT
