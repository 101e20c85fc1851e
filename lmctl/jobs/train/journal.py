"""The journal of publishing: what keeps a run that was cut off from publishing the same model twice.

To publish takes several steps, and a kill or a power cut may come between any two. The journal,
`work/publishing.json`, says which model is being published and what it was made from. Steps 1 to 3 are each
durable before the next one begins:

1. The finished bundle lies in the scratch folder. `begin` writes the journal: the request, and the SHA-256 that
   the bundle's record states of itself.
2. `ModelFolder.publish` syncs the bundle, renames it to `generations/N`, and lets `current` lead to it. From here
   on the model is published, whatever happens. Then older generations go.
3. `request.json` remembers the request, so that the same command finds nothing to do.
4. `end` removes the journal, and the checkpoint goes.

The next run looks for a journal once it holds the lock. If `current` leads to the bundle that the journal names,
the run was cut off between 2 and 4, and its remaining steps are done: `find_published` says which they are. If
`current` leads elsewhere, the run was cut off before, and nothing was published: the journal goes, and the model
is made again. A bundle that was renamed and that nothing leads to keeps its number, as `ModelFolder.publish`
recognizes it.

Every step may be done twice, so recovery may itself be cut off.
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
from lmctl.store.generations import remove_own
from lmctl.store.layout import PUBLISHING

if TYPE_CHECKING:
    from pathlib import Path

    from lmctl.store.generations import ModelFolder

logger = logging.getLogger(__name__)


class Intent(msgspec.Struct, frozen=True, kw_only=True):
    """The content of the journal.

    Attributes:
        request: what the run was asked for.
        sha256: of the bundle, as its record states it.
    """

    request: Request
    sha256: str


def begin(folder: ModelFolder, request: Request, bundle: Path) -> None:
    """Write the journal, durably, before a finished bundle is published."""
    intent = Intent(request=request, sha256=open_bundle(bundle).record.sha256)
    files.write_bytes(folder.work / PUBLISHING, msgspec.json.encode(intent) + b"\n", beside=folder.making)


def find_published(folder: ModelFolder) -> tuple[Request, Path] | None:
    """The request and the generation of a run that was cut off after it had published; None if there is none.

    The caller holds the model's lock. A journal that cannot be read is one that a disk has damaged, since it is
    written whole or not at all: a warning says so, and the model is made again.
    """
    path, current = folder.work / PUBLISHING, folder.current()
    try:
        intent = decode_record(read_regular(path), Intent, str(path))
        if current is None or open_bundle(current).record.sha256 != intent.sha256:
            return None
    except FileNotFoundError:
        return None
    except (LmctlError, OSError) as error:
        logger.warning("%s; training again", error)
        return None
    return intent.request, current


def end(folder: ModelFolder) -> None:
    """Remove the journal: the request is remembered, or nothing was published."""
    remove_own(folder.work / PUBLISHING)


def is_begun(folder: ModelFolder) -> bool:
    """Whether there is a journal."""
    return os.path.lexists(folder.work / PUBLISHING)
