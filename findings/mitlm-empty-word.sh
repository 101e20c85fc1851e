#!/bin/bash
# MITLM: two blanks at the end of a line, or a line of only blanks, make an empty word with a probability.
#
# Expected: any number of blanks separates words, as at the start of a line and between two words.
# Seen: one blank at the end of a line is ignored. A second one, or a blank before the carriage return of Windows, makes one
#   more word without letters. It takes part in every sum. Its lines in the ARPA file have one field too few, so a reader
#   that splits at white space takes a back-off for a word.
# lmctl: `import` leaves n-grams with an empty word out, and reports their number.
#
# 2026-11-27, phonetisaurus 0.3.0 (its estimate-ngram is MITLM's), Python 3.11, x86-64, of the line and `a b`:
#   "a b": 4 words; "  a  b ": 4; "a b  ": 5, "-0.568636\t\t-0.367977"; "a b \r": 5; " ": 5
. "$(dirname "$0")/lib.sh"
[ "$(uname -m)" = x86_64 ] || { echo "needs x86-64"; exit 2; }
environment venv phonetisaurus==0.3.0
package=$(venv/bin/python -c 'import phonetisaurus, os; print(os.path.dirname(phonetisaurus.__file__))')
seen=
for line in 'a b' '  a  b ' 'a b  ' 'a b \r' ' '; do
    printf "$line\na b\n" >text
    LD_LIBRARY_PATH=$package/lib/x86_64 "$package/bin/x86_64/estimate-ngram" -order 2 -text text -write-lm model.arpa >log 2>&1 ||
        { cat log; exit 2; }
    words=$(sed -n 's/^ngram 1=//p' model.arpa) empty=$(grep -cP '^-[0-9.]+\t(\t|$)' model.arpa || true)
    echo "\"$line\": $words words, $empty of them empty"
    seen+="$words/$empty "
done
[ "$seen" = "4/0 4/0 5/1 5/1 5/1 " ]
