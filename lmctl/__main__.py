"""`python -m lmctl` is the `lmctl` command."""

# Nothing may be imported before the path is safe: `python -m` puts the current folder first, where a user's
# typing.py or socket.py takes the place of Python's. (A package lmctl/ there has been found before this line;
# `python -P -m lmctl` does not look for one.)
import sys

if __name__ == "__main__" and not sys.flags.safe_path:
    del sys.path[0]

from lmctl.cli import main

if __name__ == "__main__":
    main()
