"""`lmctl import`: make a model of an ARPA file of another toolkit."""

from __future__ import annotations

import contextlib
import logging
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from lmctl import families
from lmctl.config import choose_preset, config_of
from lmctl.corpus.characters import CharacterUnigram
from lmctl.corpus.recipe import TextRecipe, recipe_files
from lmctl.corpus.vocabulary import SPECIALS
from lmctl.errors import InputMissingError, LockedError, UsageError
from lmctl.families import load_language_model
from lmctl.families.arpa.importing import ArpaReading, read_arpa
from lmctl.jobs.arpa_tokenizer import choose_tokenizer
from lmctl.jobs.train.publish import generations_kept
from lmctl.jobs.watching.events import ignore_event
from lmctl.jobs.watching.runs import Watched, logged
from lmctl.store.copies import repair
from lmctl.store.draft import Draft, TextFiles
from lmctl.store.generations import ModelFolder, remove
from lmctl.store.layout import IMPORTED, MODEL_FILE
from lmctl.store.lock import locked
from lmctl.store.published import is_model
from lmctl.store.verification import verify_bundle
from lmctl.text.sources import STDIN, check_sources

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from lmctl.config import Settings
    from lmctl.families.base import LanguageModel

logger = logging.getLogger(__name__)

KEEP = "publishing.keep"
# Largest difference from 1 of the sum of rounded probabilities.
SUM_TOLERANCE = 1e-3


def import_arpa(
    path: str,
    output: Path,
    settings: Settings,
    reading: ArpaReading | None = None,
    on_bytes: Callable[[int], object] = lambda _read: None,
) -> Path:
    """Make a model of an ARPA file, and publish it as the next generation.

    If the import fails or is interrupted, a folder that it made is removed.

    Args:
        path: path of the file, compressed or not; "-": standard input.
        output: the model folder.
        settings: the section `text`, which decides how queries are cut into words, because the file does not state
            it; and `publishing.keep`.
        reading: how the file is read; None: it is found out from the words of the file.
        on_bytes: called with the number of bytes read so far, after decompression.

    Returns:
        The folder of the published generation.

    Raises:
        UsageError: another setting was given, which has no effect on an imported model.
        LmctlError: the file is missing or damaged, or another run holds the lock.
    """
    for key in settings.explicit:
        if not key.startswith("text.") and key != KEEP:
            raise UsageError(f"{key}: has no effect on an imported model; leave it out")
    config = settings.resolve()
    keep = config.publishing.keep if KEEP in settings.explicit else None
    if path != STDIN and Path(path).is_dir():
        what = (
            "a model of lmctl already"
            if is_model(Path(path)) or (Path(path) / MODEL_FILE).is_file()
            else "a folder"
        )
        raise InputMissingError(f"{path}: is {what}; expected an ARPA file")
    check_sources([path])
    read = 0

    def tell(more: int) -> None:
        nonlocal read
        read += more
        on_bytes(read)

    with (
        _gone_unless_published(output) as folder,
        locked(folder.folder),
        folder.working(),
        logged(Watched(folder, ignore_event)) as summary,
    ):
        repair(folder)
        place = folder.scratch / IMPORTED
        place.mkdir()
        vocabulary, sizes = read_arpa(path, place, reading, tell)
        words = vocabulary.words[len(SPECIALS) :]
        tokenizer = choose_tokenizer(path, config.text, words)
        text = msgspec.structs.replace(config.text, segmenter=tokenizer.segmenter.identity.name)
        family = families.baseline()
        preset, model = choose_preset(family, 0), config_of(family, order=sizes.order)
        of_text = TextFiles(
            TextRecipe.of(tokenizer, config.text.blank_lines),
            vocabulary.to_tsv().encode(),
            # The file has no word counts: the spelling model for unknown words counts each known word once.
            CharacterUnigram.of_words((word, 1) for word in words).to_tsv().encode(),
            recipe_files(tokenizer),
        )
        made_by = msgspec.structs.replace(config, preset=preset, text=text, model=model)
        Draft(of_text, sizes, made_by, tables=sizes.table_names()).write(place)
        _check_sums(path, load_language_model(verify_bundle(place)))
        published = folder.publish(place, generations_kept(folder) if keep is None else keep)
        summary["published"] = str(published)
    return published


@contextlib.contextmanager
def _gone_unless_published(output: Path) -> Iterator[ModelFolder]:
    """A model folder. If it did not exist before and nothing is published in it, it is removed at the end."""
    missing = [path for path in (output, *output.parents) if not path.exists()]
    folder = ModelFolder.create(output)
    try:
        yield folder
    except BaseException as error:
        # Another run may have begun to make a model there.
        if missing and folder.current() is None and not isinstance(error, LockedError):
            # The error that stopped the import may stop the removal, too. The caller gets the first error.
            with contextlib.suppress(OSError):
                remove(output)
                for parent in missing[1:]:
                    parent.rmdir()
        raise


def _check_sums(path: str, language_model: LanguageModel[Any]) -> None:
    """Warn if the probabilities do not sum to 1, without context or at the start of a sentence."""
    states = (language_model.null_state(1), language_model.initial_state(1))
    sums = [float(np.exp(language_model.log_probs(state).astype(np.float64)).sum()) for state in states]
    worst = max(sums, key=lambda total: abs(total - 1.0))
    if abs(worst - 1.0) > SUM_TOLERANCE:
        logger.warning(
            "%s: the probabilities sum to %g instead of 1: the ranking of words is right, but perplexities are "
            "wrong by this factor",
            path,
            worst,
        )
