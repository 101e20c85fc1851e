#!/bin/bash
# jieba-py installs its files over jieba's, and the metadata still say that jieba 0.42.1 cuts.
#
# Expected: two distributions with the same import name are refused by pip, or importlib.metadata tells which is there.
# Seen: pip installs both without a word. `importlib.metadata.version("jieba")` is 0.42.1 and the dictionary's hash is
#   the same, while the module is jieba-py's; a sentence that needs the HMM is cut by jieba and ends in a NameError
#   afterwards.
# lmctl: takes the identity of a segmenter from what cuts, not from the metadata.
#
# 2026-11-27, jieba 0.42.1, jieba-py 0.46.12, Python 3.11:
#   metadata 0.42.1, module 0.42.1, 杭研/大厦; then metadata 0.42.1, module 0.46.12, NameError; the same dictionary
. "$(dirname "$0")/lib.sh"
environment venv setuptools==65.5.0 jieba==0.42.1
cat >cut.py <<'PY'
import hashlib
import importlib.metadata
import pathlib
import tempfile

import jieba

jieba.setLogLevel(60)
tokenizer = jieba.Tokenizer()
tokenizer.tmp_dir = tempfile.mkdtemp(dir=".")
try:
    outcome = "/".join(tokenizer.cut("杭研大厦"))
except NameError as error:
    outcome = type(error).__name__
digest = hashlib.sha256(pathlib.Path(jieba.__file__).with_name("dict.txt").read_bytes()).hexdigest()[:12]
print(f"metadata {importlib.metadata.version('jieba')}, module {jieba.__version__}, {outcome}; dictionary {digest}")
PY
export PYTHONIOENCODING=utf-8
before=$(venv/bin/python -W ignore cut.py)
environment venv jieba-py==0.46.12
after=$(venv/bin/python -W ignore cut.py)
echo "$before"
echo "$after"
[[ "$before" == "metadata 0.42.1, module 0.42.1, 杭研/大厦; "* ]]
[[ "$after" == "metadata 0.42.1, module 0.46.12, NameError; "* && "${before##* }" == "${after##* }" ]]
