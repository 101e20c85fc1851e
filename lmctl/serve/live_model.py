"""The model that answers: the current generation, which another one replaces while requests are answered."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lmctl.errors import LmctlError
from lmctl.files import describe
from lmctl.query.model import Model
from lmctl.query.prefixes import Prefixes
from lmctl.store.bundle import open_bundle
from lmctl.store.layout import GENERATION, GENERATIONS
from lmctl.store.naming import default_model, find_bundle, opened

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lmctl.query.text_model import TextModel

logger = logging.getLogger(__name__)

# A new generation answers this much later at most, after it has been opened.
POLL_SECONDS = 0.2
# A generation that cannot be opened is tried again after this time.
RETRY_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class OpenedModel:
    """A generation that answers.

    Attributes:
        name: the name of the model, as it was given.
        generation: the number of the generation; None: a bundle outside a model folder.
        place: its folder.
        model: the model.
    """

    name: str
    generation: int | None
    place: Path
    model: TextModel
    _prefixes: dict[bool, Prefixes] = field(default_factory=dict)

    def prefixes(self, *, ignore_case: bool) -> Prefixes:
        """The words of the vocabulary by their first characters, sorted on first use."""
        found = self._prefixes.get(ignore_case)
        if found is None:
            found = self._prefixes[ignore_case] = Prefixes(self.model.vocabulary.words, ignore_case=ignore_case)
        return found

    def with_cache(self, words: int) -> TextModel:
        """The model with a cache of so many words; 0: without one."""
        return self.model.with_cache(words) if words else self.model

    def for_another_thread(self) -> OpenedModel:
        """The same generation for a thread of its own."""
        model = self.model.for_another_thread()
        return OpenedModel(self.name, self.generation, self.place, model, self._prefixes)


class LiveModel:
    """Opens a model, and each generation that becomes current later.

    A new generation is opened beside the one that answers, and takes its place when it is ready. If it cannot be
    opened, one warning says so, and the one before goes on answering.

    Args:
        name: the name of a model, as `-m` takes it; None: the only one. A name such as `folder@6` stays at that
            generation.
        many_columns: whether requests come together, so that the form for many columns answers. Its answers
            differ from those of the other form in their last digits, and do not depend on what comes together.
        opens: is called with each generation that begins to answer.
        fails: is called each time when one cannot be opened.

    Raises:
        UsageError: no model was named and there are several.
        InputMissingError: there is no model.
        DataError: the model is damaged.
    """

    def __init__(
        self,
        name: str | None,
        *,
        many_columns: bool = True,
        opens: Callable[[OpenedModel], None] = lambda _: None,
        fails: Callable[[], None] = lambda: None,
    ) -> None:
        self._name = name or default_model()
        self._many_columns = many_columns
        self._opens = opens
        self._fails = fails
        self._failed: tuple[Path, float] | None = None
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="lmctl-generations", daemon=True)
        self.current = self._open()
        opens(self.current)

    def watch(self) -> None:
        """Begin to look for new generations, in a thread."""
        self._thread.start()

    def close(self) -> None:
        """Look for no more generations."""
        self._closed.set()
        if self._thread.is_alive():
            self._thread.join()

    def refresh(self) -> None:
        """Open the generation that is current now, unless it answers already."""
        place = None
        try:
            place = find_bundle(self._name)
            if place == self.current.place or self._is_too_early(place):
                return
            found = self._open()
        except (LmctlError, OSError) as error:
            self._note_failure(place or self.current.place, error)
            return
        self._failed = None
        self.current = found
        self._opens(found)
        logger.info("%s: generation %s answers now", self._name, found.generation)

    def _watch(self) -> None:
        while not self._closed.wait(POLL_SECONDS):
            try:
                self.refresh()
            except Exception:  # a bug or a lack of memory must not end the watching
                logger.exception("%s: a new generation could not be opened", self._name)
                self._fails()

    def _open(self) -> OpenedModel:
        found = opened(self._name, lambda folder: Model(open_bundle(folder)))
        # What the first query would load is loaded now.
        if found.gap_model is None:
            if self._many_columns:
                found.runtime = found.language_model.for_many_columns()
            found.contexts  # noqa: B018
        found.encode("")
        _ = found.vocabulary.words
        place = found.bundle.folder
        is_generation = place.parent.name == GENERATIONS and GENERATION.fullmatch(place.name)
        return OpenedModel(self._name, int(place.name) if is_generation else None, place, found)

    def _is_too_early(self, place: Path) -> bool:
        return (
            self._failed is not None
            and self._failed[0] == place
            and time.monotonic() < self._failed[1] + RETRY_SECONDS
        )

    def _note_failure(self, place: Path, error: LmctlError | OSError) -> None:
        if self._is_too_early(place):
            return
        is_new = self._failed is None or self._failed[0] != place
        self._failed = place, time.monotonic()
        self._fails()
        if is_new:
            generation = self.current.generation
            logger.warning("%s; generation %s goes on answering", describe(error), generation)
