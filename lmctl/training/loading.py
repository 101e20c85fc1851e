"""Loading TensorFlow, which has much to say about itself that is of no use to a user."""

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
    """See that TensorFlow is installed, without importing it.

    Raises:
        MissingExtraError: it is not.
    """
    if importlib.util.find_spec("tensorflow") is None:
        raise MissingExtraError("training needs TensorFlow, which is not installed: pip install 'lmctl[train]'")


def load_tensorflow(*, verbose: bool) -> None:
    """Import TensorFlow and Keras, with Keras on TensorFlow whatever the environment says.

    Args:
        verbose: let them write to standard error what they want to.
    """
    os.environ["KERAS_BACKEND"] = "tensorflow"
    if not verbose:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        logging.getLogger("tensorflow").setLevel(logging.ERROR)
        logging.getLogger("absl").setLevel(logging.ERROR)
    # Its C++ side writes to the descriptor while it is loaded, before any setting of its own is read.
    with contextlib.nullcontext() if verbose else _silenced_stderr():
        import keras
        import tensorflow as tf

        # The second half of the start-up messages comes with the first look at the devices.
        tf.config.list_physical_devices()
        keras.config.backend()


@contextlib.contextmanager
def _silenced_stderr() -> Iterator[None]:
    """Send what is written to file descriptor 2 nowhere; an exception still reaches the caller."""
    if sys.stderr is not None:
        sys.stderr.flush()
    try:
        saved = os.dup(2)
    except OSError:
        # Standard error is closed: there is nothing to silence.
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
