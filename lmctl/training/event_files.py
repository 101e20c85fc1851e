"""Event files as TensorBoard reads them, written by TensorFlow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lmctl.training.loading import load_tensorflow

if TYPE_CHECKING:
    from pathlib import Path


class EventFile:
    """A new event file. Its name has the time, the host and the process, so that no two files have one name.

    Args:
        folder: the folder of the file; it is made if it is missing.
    """

    def __init__(self, folder: Path) -> None:
        load_tensorflow(verbose=False)
        import tensorflow as tf

        self._tf: Any = tf
        # tf.summary.scalar is a part of the package tensorboard, which need not be installed; tf.summary.write is
        # TensorFlow's own, and this metadata makes a value a scalar.
        self._metadata = tf.compat.v1.SummaryMetadata(plugin_data={"plugin_name": "scalars"})
        with tf.device("CPU"):
            self._writer = tf.summary.create_file_writer(str(folder))

    def write(self, step: int, values: dict[str, float]) -> None:
        """Write scalars.

        Args:
            step: the optimizer updates so far.
            values: by tag.

        Raises:
            OSError: the file cannot be written.
        """
        tf = self._tf
        with self._writer.as_default(step=step), tf.device("CPU"):
            for tag, value in values.items():
                tf.summary.write(tag, tf.constant(value, tf.float32), metadata=self._metadata)

    def flush(self) -> None:
        """Hand what was written to the operating system, so that TensorBoard sees it."""
        self._writer.flush()

    def close(self) -> None:
        """Close the file."""
        self._writer.close()
