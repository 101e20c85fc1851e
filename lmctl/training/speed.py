"""The speed of training in this process, for the time that is left."""

from __future__ import annotations


class Speed:
    """Tokens per second of the steps since the process began.

    The first step is left out as soon as there is a second one: TensorFlow compiles in it, so it takes many times
    as long as the others.
    """

    def __init__(self) -> None:
        self._steps = 0
        self._tokens = 0
        self._seconds = 0.0

    def step_done(self, tokens: int, seconds: float) -> None:
        """Count a step.

        Args:
            tokens: number of its targets.
            seconds: time that it took.
        """
        if self._steps == 1:
            self._tokens, self._seconds = 0, 0.0
        self._steps += 1
        self._tokens += tokens
        self._seconds += seconds

    @property
    def tokens_per_second(self) -> float:
        """The speed; it needs at least one step."""
        return self._tokens / self._seconds

    def seconds_for(self, tokens: float) -> float | None:
        """Return the time that a number of tokens will take; None after the first step, which tells nothing."""
        return tokens / self.tokens_per_second if self._steps > 1 else None
