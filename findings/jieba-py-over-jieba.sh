#!/bin/bash
# jieba-py installs its files over those of jieba, and the metadata still name jieba 0.42.1.
#
# Expected: pip refuses two distributions with the same import name, or importlib.metadata names the installed one.
# Seen: pip installs both without a message. `importlib.metadata.version("jieba")` is 0.42.1 and the hash of the dictionary
#   is the same, but the module is that of jieba-py. Before jieba-py is installed, a sentence that needs the HMM is cut;
#   afterwards, it raises NameError.
# lmctl: identifies a segmenter by the imported module, not by the metadata.
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
