#!/bin/bash
# TensorFlow: connecting the workers of a MultiWorkerMirroredStrategy takes a handler of SIGTERM away from Python.
#
# Expected: a handler that was set with signal.signal is called after the strategy was made, as before it.
# Seen: signal.getsignal still names the handler, but SIGTERM no longer reaches it: the coordination service has put a
#   handler in C++ in its place, which notes a preemption and lets the process run on.
# lmctl: sets its handler once more when the workers are connected.
#
# 2026-11-29, tensorflow 2.21.0, Python 3.11:
#   before: called
#   after: not called, and getsignal names it still
#   set once more: called
. "$(dirname "$0")/lib.sh"
environment venv tensorflow==2.21.0
cat >handler.py <<'PY'
import json
import os
import signal
import socket
import time

with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
os.environ["TF_CONFIG"] = json.dumps(
    {"cluster": {"worker": [f"127.0.0.1:{port}"]}, "task": {"type": "worker", "index": 0}}
)

import tensorflow as tf

calls = []


def handler(*_):
    calls.append(1)


def is_called():
    calls.clear()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(2)
    return "called" if calls else "not called"


signal.signal(signal.SIGTERM, handler)
print("before:", is_called(), flush=True)
strategy = tf.distribute.MultiWorkerMirroredStrategy()
is_named = signal.getsignal(signal.SIGTERM) is handler
print(f"after: {is_called()}, and getsignal {'names it still' if is_named else 'has another'}", flush=True)
signal.signal(signal.SIGTERM, handler)
print("set once more:", is_called(), flush=True)
os._exit(0)
PY
TF_CPP_MIN_LOG_LEVEL=3 venv/bin/python handler.py 2>log | tee seen || { cat log; exit 2; }
diff seen - <<'TXT'
before: called
after: not called, and getsignal names it still
set once more: called
TXT
