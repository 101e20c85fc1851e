"""The journal of publishing, which keeps an interrupted run from publishing the same model twice.

Publishing takes several steps, and a kill or a power cut may come between any two of them. The journal,
`work/publishing.json`, names the model that is being published, and the request that it was made from. Each of the
steps 1 to 3 is durable before the next one begins:

1. The finished bundle is in the scratch folder. `begin` writes the journal: the request, and the SHA-256 that the
   bundle's record states.
2. `ModelFolder.publish` syncs the bundle, renames it to `generations/N`, and makes `current` link to it. From here
   on the model is published. Then older generations are removed.
3. `request.json` is written, so that the same command finds nothing to do.
4. `end` removes the journal. The checkpoint is removed.

The next run looks for a journal as soon as it holds the lock, and so does a rollback. If `current` links to the
bundle that the journal names, the run ended between steps 2 and 4. `find_published` returns its request, and the
remaining steps are done. If `current` links to another generation, the run ended before step 2, and nothing was
published: the journal is removed, and the model is made again. A bundle that was renamed before `current` changed
keeps its number, because `ModelFolder.publish` recognizes it.

Every step may be repeated, so recovery may be interrupted, too.
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

import msgspec

from lmctl import files
from lmctl.errors import LmctlError
from lmctl.jobs.train.request import Request
from lmctl.records import decode_record, read_regular
from lmctl.store.bundle import open_bundle
from lmctl.store.layout import PUBLISHING

if TYPE_CHECKING:
    from pathlib import Path

    from lmctl.store.generations import ModelFolder

logger = logging.getLogger(__name__)


class Intent(msgspec.Struct, frozen=True, kw_only=True):
    """The content of the journal.

    Attributes:
        request: the request of the run.
        sha256: SHA-256 of the bundle, as its record states it.
    """

    request: Request
    sha256: str


def begin(folder: ModelFolder, request: Request, bundle: Path) -> None:
    """Write the journal durably, before a finished bundle is published."""
    intent = Intent(request=request, sha256=open_bundle(bundle).record.sha256)
    files.write_bytes(folder.work / PUBLISHING, msgspec.json.encode(intent) + b"\n", beside=folder.scratch)


def find_published(folder: ModelFolder) -> tuple[Request, Path] | None:
    """The request and the generation of a run that was interrupted after it had published; None if there is none.

    The caller holds the model's lock. The journal is written whole or not at all, so a journal that cannot be read
    was damaged by the disk: a warning says so, and the model is made again.
    """
    path, current = folder.work / PUBLISHING, folder.current()
    try:
        intent = decode_record(read_regular(path), Intent, str(path))
        if current is None or open_bundle(current).record.sha256 != intent.sha256:
            return None
    except FileNotFoundError:
        return None
    except (LmctlError, OSError) as error:
        logger.warning("%s; training again", files.describe(error))
        return None
    return intent.request, current


def end(folder: ModelFolder) -> None:
    """Remove the journal, after the request was saved or if nothing was published."""
    folder.discard(folder.work / PUBLISHING)


def is_begun(folder: ModelFolder) -> bool:
    """Whether there is a journal."""
    return os.path.lexists(folder.work / PUBLISHING)
