"""Decodes the bodies of requests. A message says what came and what was expected, in one line."""

from __future__ import annotations

import re
from typing import Any, Generic, TypeVar

import msgspec

from lmctl.errors import quoted
from lmctl.serve.bodies import MOST_CHARACTERS, texts_of

RequestT = TypeVar("RequestT", bound=msgspec.Struct)

_UNKNOWN_KEY = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)


class NoJSONError(ValueError):
    """A body is not JSON."""


class NoRequestError(ValueError):
    """A body is JSON, but no request."""


class BodyDecoder(Generic[RequestT]):
    """Decodes bodies of one kind.

    Args:
        kind: the kind.
    """

    def __init__(self, kind: type[RequestT]) -> None:
        self._kind = kind
        self._decoder = msgspec.json.Decoder(kind)

    def __call__(self, body: bytes) -> RequestT:
        """Return the request that a body has.

        Raises:
            NoJSONError: it is not JSON in UTF-8.
            NoRequestError: a key is unknown or missing, or a value is outside its bounds.
        """
        try:
            request = self._decoder.decode(body)
        except msgspec.ValidationError as error:
            raise NoRequestError(self._reason(str(error))) from error
        except UnicodeDecodeError as error:
            raise NoJSONError(f"expected JSON in UTF-8: {_place_of_bad_byte(body)}") from error
        except (msgspec.DecodeError, RecursionError) as error:
            raise NoJSONError(f"expected JSON: {error}") from error
        characters = sum(map(len, texts_of(request)))
        if characters > MOST_CHARACTERS:
            raise NoRequestError(
                f"the texts have {characters:,} characters; expected at most {MOST_CHARACTERS:,} in all"
            )
        return request

    def _reason(self, message: str) -> str:
        unknown = _UNKNOWN_KEY.match(message)
        if unknown is None:
            return message
        # Imported here, because only this message needs it.
        from difflib import get_close_matches

        names: list[str] = [field.encode_name for field in msgspec.structs.fields(self._kind)]
        near: list[Any] = get_close_matches(unknown[1][:100], names, n=1)
        advice = f"did you mean {near[0]}?" if near else f"expected {', '.join(names)}"
        return f"{quoted(unknown[1])}: unknown key; {advice}"


def _place_of_bad_byte(body: bytes) -> str:
    """The first byte that is not UTF-8, counted in the body. msgspec counts from the start of a text."""
    try:
        body.decode()
    except UnicodeDecodeError as error:
        return f"0x{body[error.start]:02x} is not (byte {error.start})"
    return "a text is not"
