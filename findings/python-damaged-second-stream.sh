#!/bin/bash
# Python's bz2 and lzma modules leave out a damaged second stream in silence; gzip's raises.
#
# Expected: a file of several streams (`cat a.xz b.xz`, pbzip2) is read whole or raises, as the tools do, which exit
#   with 1 or 2.
# Seen: an error in the first 8 KiB of a stream after the first one is taken for trailing garbage: reading ends there
#   without an error. One bit anywhere in a small second stream is enough.
# lmctl: reads stream by stream and refuses what follows a complete one but is none.
#
# 2026-11-27, Python 3.11, bzip2 1.0.8, xz 5.4.1, one bit of the last checksum of `second` flipped:
#   bz2: b'first\n', the tool exits with 2; lzma: b'first\n', the tool exits with 1; gzip: BadGzipFile, the tool with 1
. "$(dirname "$0")/lib.sh"
"${PYTHON:-python3}" - <<'PY'
import bz2
import gzip
import lzma
import subprocess

seen = []
for module, name, tool in ((bz2, "t.bz2", "bzip2"), (lzma, "t.xz", "xz"), (gzip, "t.gz", "gzip")):
    second = bytearray(module.compress(b"second\n"))
    second[len(second) // 2] ^= 1
    with open(name, "wb") as file:
        file.write(module.compress(b"first\n") + second)
    try:
        with module.open(name) as file:
            outcome = repr(file.read())
    except Exception as error:
        outcome = type(error).__name__
    code = subprocess.run([tool, "-dc", name], capture_output=True).returncode
    seen.append((outcome, code))
    print(f"{module.__name__}: {outcome}; {tool} exits with {code}")
assert [outcome for outcome, _ in seen[:2]] == ["b'first\\n'"] * 2
assert seen[2][0] != "b'first\\nsecond\\n'" and not seen[2][0].startswith("b'")
assert all(code for _, code in seen)
PY
