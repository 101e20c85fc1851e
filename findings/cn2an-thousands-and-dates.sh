#!/bin/bash
# cn2an: in a sentence, 1,005 becomes 一,五 and 1,000,000 becomes 一,零,零. A date has two minus signs.
#
# Expected: transform(text, "an2cn") writes the numbers of a sentence in Chinese characters, so 1,005元 is 一千零五元, or,
#   if it does not know the comma, stays as it is.
# Seen: transform.py looks for digits with an optional minus sign, and drops leading zeros of what it finds. So the
#   groups of 1,005 are the numbers 1 and 5, as in 1,5. The hyphens of 2026-11-30 and of 10-20 are minus signs; only
#   before some measure words is 10-20 a range. In the other direction, numerals in words become digits: 统一 is 统1, and
#   零下五度 is 0下5度, though 零下五摄氏度 is -5℃.
#   an2cn of the number 100,001,000 leaves out the zero of the empty section, and cn2an does not read what it wrote.
# lmctl: leaves numbers as they are.
#
# 2026-11-30, cn2an 0.5.24, Python 3.11:
#   1005元: 一千零五元, expected 一千零五元
#   1,005元: 一,五元, expected 一千零五元
#   1,050元: 一,五十元, expected 一千零五十元
#   12,345人: 十二,三百四十五人, expected 一万二千三百四十五人
#   1,000,000人: 一,零,零人, expected 一百万人
#   2026-11-30: 二千零二十六负十一负三十
#   第10-20页: 第十负二十页
#   2026年11月30日: 二零二六年十一月三十日
#   零下五摄氏度: -5℃
#   零下五度: 0下5度
#   四川的统一: 4川的统1
#   三心二意: 3心2意
#   100001000: an2cn 一亿一千, by cn2an not read; expected 一亿零一千, by cn2an 100001000
#   100010000: an2cn 一亿零一万, by cn2an 100010000; expected 一亿零一万, by cn2an 100010000
. "$(dirname "$0")/lib.sh"
environment venv cn2an==0.5.24
cat >sentences.py <<'PY'
import re
import warnings

from cn2an import an2cn, cn2an, transform

warnings.simplefilter("ignore")  # of a number that it does not read
DIGITS = "零一二三四五六七八九"


def spelled(number):
    """Writes a whole number below 10^12, with 零 for each gap."""
    for size, unit in ((10**8, "亿"), (10**4, "万"), (1000, "千"), (100, "百"), (10, "十")):
        if number >= size:
            front, rest = divmod(number, size)
            gap = "零" if 0 < rest < size // 10 else ""
            return spelled(front) + unit + gap + (spelled(rest) if rest else "")
    return DIGITS[number]


for text in ("1005元", "1,005元", "1,050元", "12,345人", "1,000,000人"):
    whole = re.sub(r"\d[\d,]*", lambda found: spelled(int(found[0].replace(",", ""))), text)
    print(f"{text}: {transform(text, 'an2cn')}, expected {whole}")
for text in ("2026-11-30", "第10-20页", "2026年11月30日"):
    print(f"{text}: {transform(text, 'an2cn')}")
for text in ("零下五摄氏度", "零下五度", "四川的统一", "三心二意"):
    print(f"{text}: {transform(text, 'cn2an')}")


def read(text):
    try:
        return cn2an(text, "smart")
    except ValueError:
        return "not read"


for number in (100001000, 100010000):
    text, whole = an2cn(number), spelled(number)
    print(f"{number}: an2cn {text}, by cn2an {read(text)}; expected {whole}, by cn2an {read(whole)}")
PY
export PYTHONIOENCODING=utf-8
venv/bin/python sentences.py 2>log | tee seen || { cat log; exit 2; }
diff seen - <<'TXT'
1005元: 一千零五元, expected 一千零五元
1,005元: 一,五元, expected 一千零五元
1,050元: 一,五十元, expected 一千零五十元
12,345人: 十二,三百四十五人, expected 一万二千三百四十五人
1,000,000人: 一,零,零人, expected 一百万人
2026-11-30: 二千零二十六负十一负三十
第10-20页: 第十负二十页
2026年11月30日: 二零二六年十一月三十日
零下五摄氏度: -5℃
零下五度: 0下5度
四川的统一: 4川的统1
三心二意: 3心2意
100001000: an2cn 一亿一千, by cn2an not read; expected 一亿零一千, by cn2an 100001000
100010000: an2cn 一亿零一万, by cn2an 100010000; expected 一亿零一万, by cn2an 100010000
TXT
