"""Forges files and model.json of bundles, with correct hashes."""

from __future__ import annotations

import hashlib
import resource
import subprocess
import sys

import msgspec
from waiting import LONGEST_SECONDS

from lmctl import load
from lmctl.errors import DataError, InputMissingError
from lmctl.query.model import verify_model
from lmctl.store.bundle import open_bundle

COMMAND = (sys.executable, "-m", "lmctl")
# Bytes of address space, not of memory. Python, NumPy and their libraries map much of it before a file is read.
ADDRESSES = 4 << 30


def read_record(folder):
    return msgspec.json.decode((folder / "model.json").read_bytes())


def write_record(folder, record):
    record = {key: value for key, value in record.items() if key != "sha256"}
    digest = hashlib.sha256(msgspec.json.encode(record)).hexdigest()
    (folder / "model.json").write_bytes(msgspec.json.encode(record | {"sha256": digest}))


def forge(folder, name, content):
    """Replace the content of a file, and its size and hash in the record."""
    record = read_record(folder)
    (folder / name).write_bytes(content)
    record["files"][name] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    write_record(folder, record)


def use(folder):
    """Use a bundle as the commands do: verify it, load it, query it, read its figures."""
    verify_model(folder)
    for text in ("the cat", ""):
        model = load(folder)
        if model.gap_model is not None:
            model.fill(f"{text} ___")
            continue
        model.predict(text)
        model.score(text)
    opened = open_bundle(folder)
    opened.metrics()
    opened.history()
    opened.parameters()


def check(act, *arguments, where):
    """Call `act`. Return its error message, which must be short; None if there is no error."""
    refusal = None
    try:
        act(*arguments)
    except (DataError, InputMissingError) as error:
        refusal = str(error)
    assert refusal is None or len(refusal) < 3000, where
    return refusal


def limited(*arguments):
    """Run the command with an address space of `ADDRESSES` bytes."""
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=LONGEST_SECONDS,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (ADDRESSES, ADDRESSES)),
    )
