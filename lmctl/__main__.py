"""`python -m lmctl` is the `lmctl` command."""

# The current folder is removed from the path before any import. `python -m` puts it first, so that a user's
# typing.py or socket.py would replace the module of Python. (A package lmctl/ in the current folder has been found
# before this line; `python -P -m lmctl` does not search there.)
import sys

if __name__ == "__main__" and not sys.flags.safe_path:
    del sys.path[0]

from lmctl.cli import main

if __name__ == "__main__":
    main()
