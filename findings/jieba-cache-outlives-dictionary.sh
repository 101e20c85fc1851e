#!/bin/bash
# jieba: once the default dictionary has been read, a changed one in its place is not read again on that machine.
#
# Expected: the cache in the temporary folder is made again if dict.txt is newer, as for a dictionary that set_dictionary
#   names.
# Seen: for the default dictionary, the cache is used without any comparison. So a changed or upgraded package cuts as
#   the old one did until the file jieba.cache is removed. All environments of the machine share this file, so two of them
#   may cut by the dictionary of the one that ran first. A hash of dict.txt does not identify the words that are cut.
# lmctl: reads the dictionary itself and does not use the cache.
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
