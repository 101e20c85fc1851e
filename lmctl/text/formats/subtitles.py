r"""Subtitles: SubRip (.srt) and WebVTT (.vtt). Their text alone is read, the lines of a cue as one line.

A cue is a line with two times and an arrow, and the lines after it up to a blank line. Numbers and names of cues,
times, tags such as `<i>` and `{\an8}`, and the header, notes, styles and regions of WebVTT are left out. WebVTT
writes `&` and `<` as character references (WebVTT, 4.2.2), which are decoded; SubRip has none.
"""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

from lmctl.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SUFFIXES = (".srt", ".vtt")

_TIME = r"(?:\d+:)?\d{1,2}:\d{1,2}[,.]\d{1,3}\s*-->"
_TIMES = re.compile(_TIME)
_WEBVTT = re.compile(r"WEBVTT(?=\s|\Z)")
_SUBRIP = re.compile(rf"(?:\d+[ \t]*\r?\n)?[ \t]*{_TIME}")
# What `_SUBRIP` may begin with, if the line with the times has not arrived whole.
_BEGUN = re.compile(r"(?:\d+[ \t]*\r?\n)?[ \t]*[\d:,.]*\s*-{0,2}")
_BREAK = re.compile(r"<br ?/?>", re.IGNORECASE)
# Codes in braces are those of SubStation Alpha, which players read in SubRip, too.
_CODES = r"\{\\[^{}]*\}"
_SUBRIP_TAGS = re.compile(
    rf"</?(?:b|i|u|s|c|v|em|strong|font|span|ruby|rt|lang)(?:[\s.][^<>]*)?>|\{{/?[bius]\}}|{_CODES}", re.IGNORECASE
)
_WEBVTT_TAGS = re.compile(rf"<[^<>]*>|{_CODES}")


def are_subtitles(start: str, *, is_whole: bool) -> bool | None:
    """Return whether a source has subtitles, by the text with which it starts; None: more of it is needed."""
    if may_become_webvtt(start) and not is_whole:
        return None
    if _WEBVTT.match(start) or _SUBRIP.match(start):
        return True
    return None if _BEGUN.fullmatch(start) and not is_whole else False


def may_become_webvtt(start: str) -> bool:
    """Return whether more of a source is needed to tell whether it is WebVTT."""
    return "WEBVTT".startswith(start)


class Subtitles:
    """Takes the text out of the cues of one source.

    Args:
        source: name of the source for messages.
        start: the text with which the source starts; it tells WebVTT from SubRip.
    """

    def __init__(self, source: str, start: str) -> None:
        self._source = source
        self._is_webvtt = _WEBVTT.match(start) is not None
        # The lines of the current cue, and the number of the first one. None: between two cues.
        self._cue: list[str] | None = None
        self._number = 0
        # SubRip: a line of digits between two cues, which is the number of the next one if times follow.
        self._held: tuple[int, str] | None = None
        self._has_cues = self._has_lines = False

    def texts(self, lines: Sequence[str], first_line: int) -> Iterator[tuple[int, str]]:
        """Yield the text of each cue, with the number of its first line.

        Args:
            lines: the next lines of the source.
            first_line: number of the first of them, from 1.
        """
        for number, raw in enumerate(lines, start=first_line):
            line = raw.strip()
            if not line:
                yield from self._end()
            elif _TIMES.match(line):
                if self._cue and not self._is_webvtt and self._cue[-1].isdecimal():
                    # No blank line stands between the cue and the number of this one.
                    self._cue.pop()
                self._held = None
                yield from self._end()
                self._cue, self._has_cues = [], True
            elif self._cue is None:
                yield from self._between(line, number)
            else:
                self._add(line, number)

    def finish(self) -> Iterator[tuple[int, str]]:
        """Yield the text of the last cue.

        Raises:
            DataError: the source has lines and no cue.
        """
        yield from self._end()
        if self._has_lines and not self._has_cues:
            raise DataError(
                f"{self._source}: no subtitles, which its name or its first line promises; expected lines such as "
                "00:00:01,000 --> 00:00:02,500, each followed by text"
            )

    def _between(self, line: str, number: int) -> Iterator[tuple[int, str]]:
        """Take a line between two cues."""
        self._has_lines = True
        if self._is_webvtt:
            # A line of the header, of a note, a style or a region, or the name of the next cue.
            return
        # SubRip: a blank line may stand inside a cue, whose other lines follow.
        yield from self._end()
        if line.isdecimal():
            self._held = number, line
        elif self._has_cues:
            self._cue = []
            self._add(line, number)

    def _add(self, line: str, number: int) -> None:
        if self._cue is None:
            self._cue = []
        if not self._cue:
            self._number = number
        self._cue.append(line)

    def _end(self) -> Iterator[tuple[int, str]]:
        """Yield the text of the current cue, and that of a line of digits that was no number of a cue."""
        if self._cue:
            lines = map(self._cleaned, self._cue)
            if text := " ".join(line for line in lines if line):
                yield self._number, text
        self._cue = None
        if self._held is not None and self._has_cues:
            yield self._held
        self._held = None

    def _cleaned(self, line: str) -> str:
        line = _BREAK.sub(" ", line)
        if self._is_webvtt:
            return html.unescape(_WEBVTT_TAGS.sub("", line)).strip()
        return _SUBRIP_TAGS.sub("", line).strip()
