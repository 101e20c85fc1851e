"""Loads TensorFlow without its start-up messages, which do not help a user."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
import sys
from typing import TYPE_CHECKING

from lmctl.errors import MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Iterator


def require_tensorflow() -> None:
    """Check that TensorFlow is installed, without importing it.

    Raises:
        MissingExtraError: it is not installed.
    """
    if importlib.util.find_spec("tensorflow") is None:
        raise MissingExtraError("training needs TensorFlow, which is not installed: pip install 'lmctl[train]'")


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
    with contextlib.nullcontext() if verbose else _silenced_stderr():
        import keras
        import tensorflow as tf

        # More start-up messages come when the devices are listed for the first time.
        tf.config.list_physical_devices()
        keras.config.backend()


@contextlib.contextmanager
def _silenced_stderr() -> Iterator[None]:
    """Discard all output to file descriptor 2 inside the block; an exception still reaches the caller."""
    if sys.stderr is not None:
        sys.stderr.flush()
    try:
        saved = os.dup(2)
    except OSError:
        # Standard error is closed, so there is nothing to discard.
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
