#!/bin/bash
# sentencex: an exclamation inside quotation marks ends the sentence in Chinese, and not in English.
#
# Expected: the words after a quotation belong to its sentence in both languages: "Go!" he said.
# Seen: the Chinese sentence is cut after the closing mark, with the rules of Chinese and those of English.
# lmctl: leaves it so, and docs/text.md has the number of sentences that are cut right.
#
# 2026-11-28, sentencex 1.0.32, Python 3.11: one sentence in English, two in Chinese.
. "$(dirname "$0")/lib.sh"
environment venv sentencex==1.0.32
venv/bin/python - <<'PY'
import sentencex

cut = {language: list(sentencex.segment(language, "“快走！”他说。")) for language in ("zh", "en")}
english = list(sentencex.segment("en", '"Go!" he said.'))
print(english, cut)
assert english == ['"Go!" he said.']
assert cut == {language: ["“快走！”", "他说。"] for language in ("zh", "en")}
PY
