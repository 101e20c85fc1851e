#!/bin/bash
# pycnnum: it reads 一百二十万, 1,200,000, as 10,200,000, since the unit of the hundred counts the ten as well.
#
# Expected: a unit multiplies the digit before it, and 万 all of its section: 一百二十万 is (100 + 20) * 10,000.
# Seen: cn2symbols in pycnnum.py first joins 十 and 万 to one unit of 10^5, and then multiplies 百 by the next larger
#   unit, which is now 10^5, and not 10^4. So each unit before another one that stands directly before 万, 亿 or 兆 is
#   multiplied twice. The numbers are common: 一千二百万, 一百二十亿. A number with a digit before 万, such as 一百二十一万,
#   is right. Of the multiples of 万 up to 9999万, those that end in 0 and have two digits or more other than 0 are wrong:
#   81 + 81 + 81 with two, 729 with three.
#   A digit after such a joint unit takes the wrong unit too, so num2cn and cn2num are not inverse: 102,000 is written
#   十万二, as one says 一万二 for 12,000, and read as 120,000.
# lmctl: leaves numbers as they are.
#
# 2026-11-30, pycnnum 2.1.1, cn2an 0.5.24, Python 3.11:
#   一百二十一万: cn2num 1210000, by sections 1210000, cn2an 1210000
#   一百二十万: cn2num 10200000, by sections 1200000, cn2an 1200000
#   一千二百万: cn2num 1002000000, by sections 12000000, cn2an 12000000
#   一百二十亿零三: cn2num 102000000003, by sections 12000000003, cn2an 12000000003
#   972 of the 9999 numbers 一万, 二万 ... 九千九百九十九万 are read wrong
#   102000: num2cn 十万二, by cn2num 120000, by cn2an 102000
#   10001000: num2cn 一千万一, by cn2num 11000000, by cn2an 10001000
. "$(dirname "$0")/lib.sh"
environment venv pycnnum==2.1.1 cn2an==0.5.24
cat >read.py <<'PY'
from cn2an import cn2an
from pycnnum import cn2num, num2cn

DIGITS = "零一二三四五六七八九"
UNITS = {"十": 10, "百": 100, "千": 1000}
SECTIONS = {"亿": 10**8, "万": 10**4, "": 1}


def value(numeral):
    """Reads each section up to 亿, 万 and the end by itself."""
    total = 0
    for name, size in SECTIONS.items():
        section, numeral = numeral.split(name) if name and name in numeral else ("" if name else numeral, numeral)
        digit = 0
        for character in section:
            if character in UNITS:
                total += (digit or 1) * UNITS[character] * size
                digit = 0
            else:
                digit = DIGITS.index(character)
        total += digit * size
    return total


def numeral(number):
    """Writes 1 to 9999."""
    written, zero = "", False
    for unit, size in (("千", 1000), ("百", 100), ("十", 10), ("", 1)):
        digit = number // size % 10
        if digit:
            written += ("零" if zero and written else "") + DIGITS[digit] + unit
        zero = not digit
    return written.removeprefix("一") if number < 20 and number > 9 else written


for text in ("一百二十一万", "一百二十万", "一千二百万", "一百二十亿零三"):
    print(f"{text}: cn2num {cn2num(text)}, by sections {value(text)}, cn2an {cn2an(text, 'smart')}")
texts = [numeral(number) + "万" for number in range(1, 10000)]
assert [value(text) for text in texts] == [number * 10000 for number in range(1, 10000)]
wrong = sum(cn2num(text) != value(text) for text in texts)
print(f"{wrong} of the {len(texts)} numbers {texts[0]}, {texts[1]} ... {texts[-1]} are read wrong")
for number in (102000, 10001000):
    text = num2cn(number)
    print(f"{number}: num2cn {text}, by cn2num {cn2num(text)}, by cn2an {cn2an(text, 'smart')}")
PY
export PYTHONIOENCODING=utf-8
venv/bin/python read.py 2>log | tee seen || { cat log; exit 2; }
diff seen - <<'TXT'
一百二十一万: cn2num 1210000, by sections 1210000, cn2an 1210000
一百二十万: cn2num 10200000, by sections 1200000, cn2an 1200000
一千二百万: cn2num 1002000000, by sections 12000000, cn2an 12000000
一百二十亿零三: cn2num 102000000003, by sections 12000000003, cn2an 12000000003
972 of the 9999 numbers 一万, 二万 ... 九千九百九十九万 are read wrong
102000: num2cn 十万二, by cn2num 120000, by cn2an 102000
10001000: num2cn 一千万一, by cn2num 11000000, by cn2an 10001000
TXT
