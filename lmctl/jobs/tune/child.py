"""The program of a trial's process: `lmctl train`, ended like by a signal if the study's process is gone."""

from __future__ import annotations

import os
import runpy
import signal
import threading


def main() -> None:
    """Run the command lmctl with the arguments of this process."""
    # The worker of a cluster on this machine has blocked them, and a child inherits this.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT, signal.SIGTERM, signal.SIGHUP))
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    runpy.run_module("lmctl", run_name="__main__", alter_sys=True)


def _end_with_the_parent() -> None:
    # Standard input is a pipe to which nothing is written. The kernel closes it if the parent ends in any way.
    os.read(0, 1)
    os.kill(os.getpid(), signal.SIGTERM)
