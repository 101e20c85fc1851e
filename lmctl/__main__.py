"""`python -m lmctl` is the `lmctl` command."""

from lmctl.cli import main

if __name__ == "__main__":
    main()
