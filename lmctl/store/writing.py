"""Writes the files of a bundle, and its record with their hashes."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from lmctl import files
from lmctl.errors import DataError
from lmctl.records import LARGEST_RECORD_BYTES
from lmctl.store.bundle import open_bundle
from lmctl.store.layout import MODEL_FILE
from lmctl.store.model_record import FileRecord, encode_record

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from lmctl.store.bundle import Bundle
    from lmctl.store.model_record import ModelRecord


def write_bundle(
    folder: Path, record: ModelRecord[Any], contents: Mapping[str, bytes], there: Sequence[str] = ()
) -> None:
    """Write a bundle into `folder`, which has nothing in it but what is named.

    Args:
        folder: where no reader looks yet; publishing renames it to its place.
        record: model.json; the hashes of the files and its own are filled in here.
        contents: every other file: name -> content.
        there: names of files that have been written already, being too large to be held in memory; and of the
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
    """Write some files of a bundle that no reader looks at yet again, and model.json.

    Args:
        bundle: which.
        contents: other content of some of its files.
        changes: other values of fields of its record.
    """
    record = bundle.record
    for name, content in (contents or {}).items():
        files.write_bytes(bundle.folder / name, content)
        written = FileRecord(bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
        record = msgspec.structs.replace(record, files=record.files | {name: written})
    _write_record(bundle.folder, msgspec.structs.replace(record, **changes))
    return open_bundle(bundle.folder)


def weights_file(weights: Mapping[str, NDArray[np.float32]]) -> bytes:
    """The content of weights.safetensors."""
    import safetensors.numpy

    return safetensors.numpy.save({name: np.ascontiguousarray(array) for name, array in weights.items()})


def encode_metrics(metrics: Mapping[str, Any]) -> bytes:
    """The content of metrics.json."""
    return msgspec.json.format(msgspec.json.encode(metrics)) + b"\n"


def encode_history(epochs: Sequence[Any]) -> bytes:
    """The content of history.jsonl, a line an epoch."""
    return b"".join(msgspec.json.encode(epoch) + b"\n" for epoch in epochs)


def _write_record(folder: Path, record: ModelRecord[Any]) -> None:
    content = encode_record(record)
    if len(content) > LARGEST_RECORD_BYTES:
        inputs = len(record.corpus.sources) if record.corpus else 0
        raise DataError(
            f"{inputs:,} inputs are too many to be named in {MODEL_FILE} ({len(content):,} bytes; "
            f"{LARGEST_RECORD_BYTES:,} at most); join the texts into fewer files"
        )
    files.write_bytes(folder / MODEL_FILE, content)
