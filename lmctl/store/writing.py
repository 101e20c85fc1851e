"""Writes the files of a bundle, and its record with their hashes."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import msgspec

from lmctl import files
from lmctl.errors import DataError
from lmctl.records import LARGEST_RECORD_BYTES
from lmctl.store.bundle import open_bundle
from lmctl.store.layout import MODEL_FILE
from lmctl.store.model_record import FileRecord, encode_record
from lmctl.store.tensors import pieces_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from lmctl.store.bundle import Bundle
    from lmctl.store.model_record import ModelRecord


def write_bundle(
    folder: Path, record: ModelRecord[Any], contents: Mapping[str, bytes], there: Sequence[str] = ()
) -> None:
    """Write a bundle into `folder`, which has no other files than those in `there`.

    Args:
        folder: a folder that no reader uses yet; publishing renames it.
        record: the content of model.json; this function fills in the hashes.
        contents: the files to write: name -> content.
        there: names of files that are already in the folder, because they are too large for memory, and of the
            model.json of each member of a mixture.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        files.write_bytes(folder / name, content)
    written = {
        name: FileRecord(bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
        for name, content in contents.items()
    }
    written |= {
        name: FileRecord(bytes=(folder / name).stat().st_size, sha256=files.sha256_of(folder / name))
        for name in there
    }
    _write_record(folder, msgspec.structs.replace(record, files=dict(sorted(written.items()))))


def amend_bundle(bundle: Bundle, contents: Mapping[str, bytes] | None = None, **changes: Any) -> Bundle:
    """Replace files and record fields of a bundle that no reader uses yet, and open it again.

    Args:
        bundle: the bundle.
        contents: the files to replace or add: name -> content.
        changes: new values of fields of its record.
    """
    record = bundle.record
    for name, content in (contents or {}).items():
        files.write_bytes(bundle.folder / name, content)
        written = FileRecord(bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
        record = msgspec.structs.replace(record, files=record.files | {name: written})
    _write_record(bundle.folder, msgspec.structs.replace(record, **changes))
    return open_bundle(bundle.folder)


def weights_file(weights: Mapping[str, NDArray[Any]]) -> bytes:
    """Return the content of weights.safetensors or moments.safetensors."""
    return b"".join(pieces_of(weights))


def encode_metrics(metrics: Mapping[str, Any]) -> bytes:
    """Return the content of metrics.json."""
    return msgspec.json.format(msgspec.json.encode(metrics)) + b"\n"


def encode_history(epochs: Sequence[Any]) -> bytes:
    """Return the content of history.jsonl, one line for each epoch."""
    return b"".join(msgspec.json.encode(epoch) + b"\n" for epoch in epochs)


def _write_record(folder: Path, record: ModelRecord[Any]) -> None:
    content = encode_record(record)
    if len(content) > LARGEST_RECORD_BYTES:
        inputs = len(record.corpus.sources) if record.corpus else 0
        raise DataError(
            f"{inputs:,} input files are too many for {MODEL_FILE} ({len(content):,} bytes, expected at "
            f"most {LARGEST_RECORD_BYTES:,}); join the texts into fewer files"
        )
    files.write_bytes(folder / MODEL_FILE, content)
