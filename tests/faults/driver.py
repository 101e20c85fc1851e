"""Runs `lmctl` many times, each time in a new process, and imports everything only once.

    python driver.py rehearsal|tensorflow

A line of JSON on standard input describes a run. A process is forked, in which everything is imported already. It
runs the command line, and a line of JSON on standard output describes its end. TensorFlow is imported but not
started, so that each fork starts it: a training takes one second instead of four, and gives the same bytes.

Commands import most modules when they need them. With the simulated training, such imports took a third of the
time of a run. So the driver imports the modules that a run has imported, and later runs find them.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

NETWORK_PACKAGES = ("tensorflow", "keras")


def main(kind: str) -> None:
    """Serve runs until standard input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    if kind == "rehearsal":
        import rehearsal

        rehearsal.install()
    else:
        from lmctl.training.loading import load_tensorflow

        load_tensorflow(verbose=False)
        import lmctl.training.run
    import lmctl.cli.export
    import lmctl.cli.import_
    import lmctl.cli.mix
    import lmctl.cli.predict
    import lmctl.cli.prepare
    import lmctl.cli.progress
    import lmctl.cli.rollback
    import lmctl.cli.train  # noqa: F401

    answers.write("ready\n")
    answers.flush()
    for line in sys.stdin:
        ended, modules = run(json.loads(line))
        answers.write(json.dumps(ended) + "\n")
        answers.flush()
        if kind == "rehearsal":
            _import(modules)


def run(order: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """One run: its exit code (negative if a signal ended it), its messages, and the steps that it did on disk.

    The second value is the list of modules that it imported; a run that was killed lists none.
    """
    with tempfile.TemporaryDirectory() as place:
        streams = [str(Path(place) / name) for name in ("out", "err", "operations", "modules")]
        began = time.monotonic()
        process = os.fork()
        if process == 0:
            _be_the_command(order, streams)
        code = _wait(process, order.get("kill_after"))
        seconds = time.monotonic() - began
        out, err, operations, modules = (Path(stream).read_text("utf-8", "backslashreplace") for stream in streams)
    ended = {"code": code, "out": out, "err": err, "operations": operations.splitlines(), "seconds": seconds}
    return ended, modules.splitlines()


def _import(modules: list[str]) -> None:
    """Import modules. Some exist only under a condition of the run, such as the current folder."""
    for name in modules:
        if name.partition(".")[0] not in NETWORK_PACKAGES:
            with contextlib.suppress(ImportError):
                importlib.import_module(name)


def _wait(process: int, kill_after: float | None) -> int:
    if kill_after is not None:
        deadline = time.monotonic() + kill_after
        while time.monotonic() < deadline:
            done, status = os.waitpid(process, os.WNOHANG)
            if done:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.002)
        os.kill(process, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def _be_the_command(order: dict[str, Any], streams: list[str]) -> None:
    """Run the command line in the forked process, and end the process."""
    code = 99
    imported = set(sys.modules)
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        out, err, log, modules = (os.open(stream, flags, 0o600) for stream in streams)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(out, 1)
        os.dup2(err, 2)
        sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
        os.chdir(order["folder"])
        from lmctl import cli

        if order.get("fault"):
            import injection

            injection.FaultWatcher(injection.Fault(**order["fault"]), log).install()
        if order.get("record"):
            import recording

            recording.Recorder(order["folder"], order["record"]).install()
        code = cli.run(order["arguments"])
        if any(name.partition(".")[0] in NETWORK_PACKAGES for name in sys.modules):
            os.write(log, b"imported TensorFlow\n")
        os.write(modules, "\n".join(sys.modules.keys() - imported).encode())
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


if __name__ == "__main__":
    main(*sys.argv[1:])
