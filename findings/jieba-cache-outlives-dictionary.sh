#!/bin/bash
# jieba: once the default dictionary has been read, another one in its place is never read again on that machine.
#
# Expected: the cache in the temporary folder is made again if dict.txt is newer, as it is for a dictionary named by
#   set_dictionary.
# Seen: for the default dictionary the cache is taken without any comparison, so a changed or upgraded package cuts as
#   the old one did until somebody removes jieba.cache; every environment of the machine shares that one file, and two
#   of them may cut by the dictionary of whichever ran first. A hash of dict.txt does not say what cuts.
# lmctl: reads the dictionary itself and leaves the cache alone.
#
# 2026-11-27, jieba 0.42.1, Python 3.11, with a word added to dict.txt and its time set into the future:
#   before 杭/研/大厦; after 杭/研/大厦; after, without the cache 杭研大厦
. "$(dirname "$0")/lib.sh"
environment venv jieba==0.42.1
cat >cut.py <<'PY'
import logging
import sys
import warnings

warnings.simplefilter("ignore")
import jieba

jieba.setLogLevel(logging.ERROR)
tokenizer = jieba.Tokenizer()
tokenizer.tmp_dir = sys.argv[1]
print("/".join(tokenizer.cut("杭研大厦", HMM=False)))
PY
mkdir shared fresh
export PYTHONIOENCODING=utf-8
dictionary=$(venv/bin/python -W ignore -c 'import jieba, os; print(os.path.dirname(jieba.__file__))')/dict.txt
before=$(venv/bin/python -W ignore cut.py shared)
echo "杭研大厦 1000000 n" >>"$dictionary"
touch -d 2100-01-01 "$dictionary"
after=$(venv/bin/python -W ignore cut.py shared)
without=$(venv/bin/python -W ignore cut.py fresh)
echo "before $before; after $after; after, without the cache $without"
[ "$before $after $without" = "杭/研/大厦 杭/研/大厦 杭研大厦" ]
