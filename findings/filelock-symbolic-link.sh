#!/bin/bash
# filelock: if a lock file is a symbolic link, acquire() raises OSError "Too many levels of symbolic links", not Timeout.
#
# Expected: the link is followed, as in 3.20, so that locks can be on another disk; or a message about links.
# Seen: 4.2 opens with O_NOFOLLOW. acquire() raises OSError 40 at once, whatever its timeout, with the name of the link as
#   if it were a loop. 3.20.0 followed the link, and emptied the file to which it points.
# lmctl: names the link in its message.
#
# 2026-11-27, filelock 3.20.0 and 4.2.12, Python 3.11, Linux:
#   3.20.0: locked, 0 bytes left of 5; 4.2.12: OSError 40, 5 bytes left of 5
. "$(dirname "$0")/lib.sh"
environment old filelock==3.20.0
environment new filelock==4.2.12
cat >lock.py <<'PY'
import os
import pathlib

import filelock

target, link = pathlib.Path("target"), pathlib.Path("link")
target.write_text("notes")
link.unlink(missing_ok=True)
link.symlink_to(target)
try:
    with filelock.FileLock(link, timeout=1):
        outcome = "locked"
except OSError as error:
    outcome = f"{type(error).__name__} {error.errno}"
print(f"{outcome}, {os.path.getsize(target)} bytes left of 5")
PY
old=$(old/bin/python lock.py) new=$(new/bin/python lock.py)
echo "3.20.0: $old; 4.2.12: $new"
[ "$old" = "locked, 0 bytes left of 5" ] && [ "$new" = "OSError 40, 5 bytes left of 5" ]
