"""The functions that run on the workers of a cluster.

A function that is applied to many items contains dictionaries, so it is not sent with each item. It is a file in a
folder that all workers see. A worker reads it before its first item, also if it has joined in the midst of the
work. So the file also shows whether the worker sees the folder, and whether its versions are the client's.

Nothing of Dask is imported here but inside functions.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import pickle
import threading
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lmctl import files
from lmctl.errors import UnavailableError
from lmctl.jobs.workers import pickled_error
from lmctl.version import versions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

# Packages that do not take part in the work that is spread.
_WITHOUT_PART = ("tensorflow", "keras")
_TICK_SECONDS = 0.05
# Beginning of the name of a file with a function.
FUNCTION_FILE = "function-"

_lock = threading.Lock()
_functions: dict[str, Callable[..., Any]] = {}
_running: Counter[str] = Counter()


class UnsuitableError(Exception):
    """This worker cannot do the work. The message goes on after the name of the worker: "has rjieba 0.2.1"."""


def write_function(place: Path, function: Callable[..., Any]) -> None:
    """Write the file that the workers read.

    Args:
        place: path of the file, whose name is used once.
        function: the function. If it has a method `versions`, the result is compared with that on each worker. If
            it has a method `folders`, each worker must see these folders. If it has a method `check_worker`, each
            worker calls it, and it raises `UnsuitableError` if the worker cannot do the work for another reason.
    """
    content = {
        "versions": _versions_here(),
        "function": pickle.dumps(function, pickle.HIGHEST_PROTOCOL),
        "of_function": _versions_of(function),
    }
    files.write_bytes(place, pickle.dumps(content, pickle.HIGHEST_PROTOCOL))


def check(place: str, token: str) -> None:
    """Read the function, unless that has been done.

    Raises:
        UnsuitableError: this worker cannot do it.
    """
    with _lock:
        if token not in _functions:
            _functions[token] = _read_function(Path(place))


def apply(place: str, token: str, item: bytes) -> bytes:
    """Apply the function to an item.

    Args:
        place: path of the file with the function.
        token: the name of the work.
        item: the item, pickled.

    Returns:
        Pickled: the result, the exception that was raised or None, and its trace. So Dask does not log exceptions,
        whose texts may have parts of the user's text.
    """
    collects = gc.isenabled()
    # Tokens make no cycles of references, and the search for them halves the speed.
    gc.disable()
    try:
        return applied(place, token, item)
    finally:
        if collects:
            gc.enable()


def applied(place: str, token: str, item: bytes, *more: object) -> bytes:
    """Apply the function to an item and more arguments; see `apply`."""
    with _lock:
        _running[token] += 1
    try:
        check(place, token)
        result = _functions[token](pickle.loads(item), *more)  # noqa: S301
        return pickle.dumps((result, None, ""), pickle.HIGHEST_PROTOCOL)
    except UnsuitableError as error:
        from distributed import get_worker

        return pickled_error(UnavailableError(f"worker {get_worker().address} {error}"))
    except BaseException as error:  # noqa: BLE001
        return pickled_error(error)
    finally:
        with _lock:
            _running[token] -= 1


async def end(token: str, seconds: float) -> None:
    """Wait until this worker does no more of the work, and forget the function.

    The client has cancelled the items that have not begun, and removed the file.
    """
    give_up = time.monotonic() + seconds
    while _running[token] > 0 and time.monotonic() < give_up:
        await asyncio.sleep(_TICK_SECONDS)
    with _lock:
        _functions.pop(token, None)
        if not _running[token]:
            del _running[token]


def _read_function(place: Path) -> Callable[..., Any]:
    folder = place.parent
    with _seeing(folder):
        content = pickle.loads(place.read_bytes())  # noqa: S301  the client wrote it
    if not os.access(folder, os.W_OK):
        raise UnsuitableError(f"may not write to the folder {folder}")
    _check_versions(content["versions"], _versions_here())
    function: Callable[..., Any] = pickle.loads(content["function"])  # noqa: S301
    _check_versions(content["of_function"], _versions_of(function))
    for each in getattr(function, "folders", list)():
        with _seeing(each):
            next(each.iterdir(), None)
    getattr(function, "check_worker", lambda: None)()
    return function


@contextlib.contextmanager
def _seeing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UnsuitableError(
            f"cannot read the folder {folder} ({error.strerror}), which all workers must see under this path"
        ) from None


def _check_versions(expected: Mapping[str, str], found: Mapping[str, str]) -> None:
    for name, version in expected.items():
        if found.get(name) != version:
            has = f"has {name} {found[name]}" if name in found else f"does not have {name}"
            raise UnsuitableError(f"{has}; expected {version}, the version of the client")


def _versions_here() -> dict[str, str]:
    """The versions that must be the same on all workers. Of Python, the third part of the version may differ."""
    here = {name: version for name, version in versions().items() if name not in _WITHOUT_PART}
    here["python"] = ".".join(here["python"].split(".")[:2])
    return here


def _versions_of(function: Callable[..., Any]) -> dict[str, str]:
    find = getattr(function, "versions", None)
    return {} if find is None else dict(find())
