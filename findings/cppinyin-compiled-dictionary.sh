#!/bin/bash
# cppinyin: it reads every second Chinese word wrong, since its compiled dictionary has other readings than its source.
#
# Expected: Encoder().encode("人民") is ren2 min2, as in pinyin.raw, the text from which the dictionary was made, and in
#   pypinyin. The README's example is 我是中国人民的儿子.
# Seen: Encoder() loads pinyin.dict, which has the same words, and other readings for half of them: 人民 is dai4 dai4,
#   音乐 zhi1 zhi1, 个 ya1. The number of syllables is right, and in most wrong words one syllable stands twice. With
#   pinyin.raw, which the package also has, the same encoder is right but for words with a syllable without a tone: 的
#   is er, and 了 is ge. If it saves that dictionary and loads it again, the other errors are back, so they come from
#   the compiled format. Version 0.10 reads 人民 right, and 0.8 also 的.
# lmctl: the option --pinyin finds words by their pinyin as pypinyin gives it.
#
# 2026-11-30, cppinyin 0.11, pypinyin 0.55.0, Python 3.11:
#   人民: pinyin.raw ren2 min2, pypinyin ren2 min2; Encoder() dai4 dai4
#   音乐: pinyin.raw yin1 yue4, pypinyin yin1 yue4; Encoder() zhi1 zhi1
#   绿色: pinyin.raw lv4 se4, pypinyin lv4 se4; Encoder() he2 he2
#   个: pinyin.raw ge4, pypinyin ge4; Encoder() ya1
#   红色: pinyin.raw hong2 se4, pypinyin hong2 se4; Encoder() hong2 se4
#   Encoder(): 413917 of 816370 words are wrong, 395030 of them with a tone on each syllable
#   Encoder("pinyin.raw"): 18525 of 816370 words are wrong, 0 of them with a tone on each syllable
#   saved and loaded: 413694 of 816370 words are wrong, 394808 of them with a tone on each syllable
. "$(dirname "$0")/lib.sh"
environment venv cppinyin==0.11 pypinyin==0.55.0 importlib-resources==6.5.2 click==8.3.1
cat >pinyin.py <<'PY'
from pathlib import Path

import cppinyin
from pypinyin import Style, lazy_pinyin

source = Path(cppinyin.__file__).parent / "resources" / "pinyin.raw"
readings = {}
for line in source.read_text("utf-8").splitlines():
    word, _, *syllables = line.split()
    readings[word] = syllables
compiled, text = cppinyin.Encoder(), cppinyin.Encoder(str(source))
text.save("saved.dict")

for word in ("人民", "音乐", "绿色", "个", "红色"):
    print(
        f"{word}: pinyin.raw {' '.join(readings[word])}, pypinyin {' '.join(lazy_pinyin(word, Style.TONE3))}; "
        f"Encoder() {' '.join(compiled.encode(word))}"
    )
kinds = {"Encoder()": compiled, 'Encoder("pinyin.raw")': text, "saved and loaded": cppinyin.Encoder("saved.dict")}
for name, encoder in kinds.items():
    found = dict(zip(readings, encoder.encode(list(readings)), strict=True))
    wrong = [word for word, syllables in found.items() if syllables != readings[word]]
    toned = sum(all(syllable[-1].isdigit() for syllable in readings[word]) for word in wrong)
    print(f"{name}: {len(wrong)} of {len(readings)} words are wrong, {toned} of them with a tone on each syllable")
PY
export PYTHONIOENCODING=utf-8
venv/bin/python pinyin.py 2>log | tee seen || { cat log; exit 2; }
diff seen - <<'TXT'
人民: pinyin.raw ren2 min2, pypinyin ren2 min2; Encoder() dai4 dai4
音乐: pinyin.raw yin1 yue4, pypinyin yin1 yue4; Encoder() zhi1 zhi1
绿色: pinyin.raw lv4 se4, pypinyin lv4 se4; Encoder() he2 he2
个: pinyin.raw ge4, pypinyin ge4; Encoder() ya1
红色: pinyin.raw hong2 se4, pypinyin hong2 se4; Encoder() hong2 se4
Encoder(): 413917 of 816370 words are wrong, 395030 of them with a tone on each syllable
Encoder("pinyin.raw"): 18525 of 816370 words are wrong, 0 of them with a tone on each syllable
saved and loaded: 413694 of 816370 words are wrong, 394808 of them with a tone on each syllable
TXT
