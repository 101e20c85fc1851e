"""Loads TensorFlow without its start-up messages, which do not help a user."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
import sys

from lmctl.errors import MissingExtraError
from lmctl.silence import silenced_stderr

# TensorFlow 2.21 has packages up to this version. The markers of the extra `train` in pyproject.toml name it, too.
NEWEST_PYTHON = (3, 13)


def require_tensorflow(purpose: str = "training") -> None:
    """Check that TensorFlow is installed, without importing it.

    Args:
        purpose: what it is needed for, for the message.

    Raises:
        MissingExtraError: it is not installed.
    """
    if importlib.util.find_spec("tensorflow") is not None:
        return
    if sys.version_info[:2] > NEWEST_PYTHON:
        running, newest = (".".join(map(str, version)) for version in (sys.version_info[:2], NEWEST_PYTHON))
        raise MissingExtraError(
            f"{purpose} needs TensorFlow, which has no package for Python {running}: use Python 3.11 to {newest}, "
            "and pip install 'lmctl[train]'"
        )
    raise MissingExtraError(f"{purpose} needs TensorFlow, which is not installed: pip install 'lmctl[train]'")


def load_tensorflow(*, verbose: bool) -> None:
    """Import TensorFlow and Keras. Keras uses TensorFlow, even if KERAS_BACKEND names another backend.

    Args:
        verbose: whether to let them write to standard error.
    """
    os.environ["KERAS_BACKEND"] = "tensorflow"
    if not verbose:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        logging.getLogger("tensorflow").setLevel(logging.ERROR)
        logging.getLogger("absl").setLevel(logging.ERROR)
    # The C++ code writes to the file descriptor while it is loaded, before it reads its settings.
    with contextlib.nullcontext() if verbose else silenced_stderr():
        import keras
        import tensorflow as tf

        # More start-up messages come when the devices are listed for the first time.
        tf.config.list_physical_devices()
        keras.config.backend()
