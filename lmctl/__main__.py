"""The command `lmctl`, which is also `python -m lmctl`."""

# The current folder is removed from the path before any import. `python -m` puts it first, so that a user's
# typing.py or socket.py would replace the module of Python. (A package lmctl/ in the current folder has been found
# before this line; `python -P -m lmctl` does not search there.)
import sys

if __name__ == "__main__" and not sys.flags.safe_path:
    del sys.path[0]

import signal


def main() -> None:
    """Run the command line and exit with its code."""
    # The import takes a tenth of a second. Ctrl-C meanwhile ends the process without a traceback, as SIGTERM does.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from lmctl import cli

    cli.main()


if __name__ == "__main__":
    main()
