"""Publishing a model that another program made."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from lmctl.config import choose_preset, config_of, with_segmenter
from lmctl.corpus.characters import CharacterUnigram
from lmctl.corpus.recipe import TextRecipe, recipe_files
from lmctl.corpus.vocabulary import SPECIALS
from lmctl.errors import InputMissingError, UsageError
from lmctl.jobs.arpa_tokenizer import choose_tokenizer
from lmctl.jobs.train.publish import generations_kept
from lmctl.jobs.watching.events import ignore_event
from lmctl.jobs.watching.runs import Watched, logged
from lmctl.store.copies import repair
from lmctl.store.draft import Draft, TextFiles
from lmctl.store.generations import ModelFolder, remove
from lmctl.store.layout import GENERATIONS, HOLDER, IMPORTED, LOCK, MODEL_FILE, RUNS, WORK
from lmctl.store.lock import locked
from lmctl.store.published import is_model
from lmctl.text.sources import STDIN, check_sources

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from lmctl.arrays import Float32Array
    from lmctl.config import Settings
    from lmctl.corpus.vocabulary import Vocabulary
    from lmctl.families.family import Family
    from lmctl.store.bundle import Bundle

KEEP = "publishing.keep"
# What an import makes in a new model folder before it publishes.
MADE_BY_IMPORTS = {GENERATIONS, WORK, RUNS, LOCK, HOLDER}


@dataclass(frozen=True, slots=True)
class Imported:
    """A model that was read.

    Attributes:
        family: its family.
        vocabulary: its words; counts are 0 if they are not known.
        sizes: its dimensions.
        config: the keys of `model:` that follow from it.
        weights: the weights by name, if it has weights like a network.
        tables: the names of the files that were written into the folder of the bundle.
    """

    family: Family
    vocabulary: Vocabulary
    sizes: Any
    config: Mapping[str, Any]
    weights: Mapping[str, Float32Array] | None = None
    tables: Sequence[str] = field(default=())


def publish_imported(
    path: str,
    output: Path,
    settings: Settings,
    read: Callable[[Path], Imported],
    check: Callable[[Bundle], object] = lambda _bundle: None,
) -> Path:
    """Read a model, and publish it as the next generation.

    If the import fails or is interrupted, a folder that it made is removed.

    Args:
        path: path of the file of the model; "-": standard input.
        output: the model folder.
        settings: the section `text`, which decides how queries are cut into words, because the file does not state
            it; and `publishing.keep`.
        read: reads the model. It gets the folder of the bundle, where it may write files.
        check: called with the finished bundle before it is published.

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
    if path != STDIN and Path(path).is_dir():
        is_own = is_model(Path(path)) or (Path(path) / MODEL_FILE).is_file()
        what = "a model of lmctl already" if is_own else "a folder"
        raise InputMissingError(f"{path}: is {what}; expected a file of another program")
    check_sources([path])
    missing = [place for place in (output, *output.parents) if not place.exists()]
    folder = ModelFolder.create(output)
    with (
        locked(folder.folder),
        _gone_unless_published(folder, missing),
        folder.working(),
        logged(Watched(folder, ignore_event)) as summary,
    ):
        repair(folder)
        place = folder.scratch / IMPORTED
        place.mkdir()
        model = read(place)
        words = model.vocabulary.words[len(SPECIALS) :]
        tokenizer = choose_tokenizer(path, config.text, words)
        of_text = TextFiles(
            TextRecipe.of(tokenizer, config.text.blank_lines),
            model.vocabulary.to_tsv().encode(),
            # The file has no word counts: the spelling model for unknown words counts each known word once.
            CharacterUnigram.of_words((word, 1) for word in words).to_tsv().encode(),
            recipe_files(tokenizer),
        )
        made_by = msgspec.structs.replace(
            config,
            preset=choose_preset(model.family, 0),
            text=with_segmenter(config.text, tokenizer.segmenter.identity.name),
            model=config_of(model.family, **model.config),
        )
        check(Draft(of_text, model.sizes, made_by, weights=model.weights, tables=model.tables).write(place))
        keep = config.publishing.keep if KEEP in settings.explicit else None
        published = folder.publish(place, generations_kept(folder) if keep is None else keep)
        summary["published"] = str(published)
    return published


@contextlib.contextmanager
def _gone_unless_published(folder: ModelFolder, missing: Sequence[Path]) -> Iterator[None]:
    """Remove the model folder and its parents, if they did not exist before and nothing is published in the end.

    The caller holds the lock, so no other run works there. A run that waits for the lock makes the folder again.
    The folder stays if it has files that an import does not make, of the user or of a study.

    Args:
        folder: the model folder.
        missing: the folders that were made, the model folder first.
    """
    try:
        yield
    except BaseException:
        # The error that stopped the import may stop the removal, too. The caller gets the first error.
        with contextlib.suppress(OSError):
            names = {path.name for path in folder.folder.iterdir()}
            if missing and names <= MADE_BY_IMPORTS:
                # After a kill the rest is a model folder, or a folder with nothing but a lock.
                for name in (*names - {GENERATIONS, LOCK}, GENERATIONS):
                    remove(folder.folder / name)
                # From here on, another run may take the lock, and make files here that stay.
                (folder.folder / LOCK).unlink()
                for path in missing:
                    path.rmdir()
        raise
