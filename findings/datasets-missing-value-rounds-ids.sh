#!/bin/bash
# datasets: with the format "numpy", a missing value rounds the other integers of its slice to float32.
#
# Expected: a row has the same numbers alone and in a slice. A column of integers with a missing value becomes float64,
#   as in pandas and pyarrow, which is exact up to 2^53.
# Seen: a row alone is exact. In a slice without missing values, integers are int64. With one missing value, all
#   integers of the slice are float32, which is exact up to 2^24: id 16777217 becomes 16777216. So map() stores the
#   exact id if its function gets rows, and a wrong one if it gets a batch with a missing value. filter() cuts its rows
#   from batches, so it finds the row 16777217 when asked for 16777216. Integers of type uint64, such as hashes, are
#   negative in slices from 2^63 on. pyarrow makes an array with a missing value float64; NumpyFormatter
#   (formatting/np_formatter.py) then makes arrays of floats float32 and arrays of integers int64, and keeps single
#   numbers. The rounding of float64 columns is known upstream; dtype=None in with_format() turns the conversions off.
# lmctl: its corpora and tables have no missing values, and keep ids as integers.
#
# 2026-11-30, datasets 5.2.0, pyarrow 26.0.1, pandas 3.1.1, numpy 2.4.6, Python 3.11, of the ids 16777217 and None:
#   alone: int64 16777217; slice of one: int64 16777217; slice of both: float32 16777216; dtype=None: float64 16777217
#   stored by map: from rows 16777217, from a batch 16777216
#   rows with id 16777216: by rows 1, by a batch 1; 2^63 + 5: alone 9223372036854775813, slice -9223372036854775803
. "$(dirname "$0")/lib.sh"
environment venv datasets==5.2.0 pyarrow==26.0.1 pandas==3.1.1 numpy==2.4.6
cat >ids.py <<'PY'
import numpy as np
from datasets import Dataset

ID = 16_777_217  # 2^24 + 1
plain = Dataset.from_dict({"id": [ID, None], "hash": np.array([2**63 + 5, 1], np.uint64)})
rows = plain.with_format("numpy")


def shown(number):
    return f"{number.dtype} {int(number)}"


exact = plain.with_format("numpy", dtype=None)
print(
    f"alone: {shown(rows[0]['id'])}; slice of one: {shown(rows[:1]['id'][0])}; "
    f"slice of both: {shown(rows[:]['id'][0])}; dtype=None: {shown(exact[:]['id'][0])}"
)


def copied(**options):
    """The first id in a column that map() has stored."""
    stored = rows.map(lambda part: {"copy": part["id"]}, **options)
    return int(stored.with_format(None)[0]["copy"])


print(f"stored by map: from rows {copied()}, from a batch {copied(batched=True)}")

found = [len(rows.filter(lambda part: part["id"] == ID - 1, batched=batched)) for batched in (False, True)]
alone, of_slice = int(rows[0]["hash"]), int(rows[:]["hash"][0])
print(f"rows with id {ID - 1}: by rows {found[0]}, by a batch {found[1]}; 2^63 + 5: alone {alone}, slice {of_slice}")
PY
export HF_HOME="$folder/cache" HF_HUB_OFFLINE=1
venv/bin/python ids.py 2>log | tee seen || { cat log; exit 2; }
diff seen - <<'TXT'
alone: int64 16777217; slice of one: int64 16777217; slice of both: float32 16777216; dtype=None: float64 16777217
stored by map: from rows 16777217, from a batch 16777216
rows with id 16777216: by rows 1, by a batch 1; 2^63 + 5: alone 9223372036854775813, slice -9223372036854775803
TXT
