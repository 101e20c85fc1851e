"""Values of variables as NumPy arrays, without copies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def view_of(variable: Any) -> NDArray[Any]:
    """The value of a variable, which cannot be written to. Later updates of the variable do not change it.

    `variable.numpy()` would copy it, and would copy it twice if the variable's rows are updated by themselves.
    Tensors are immutable: while a view exists, TensorFlow writes updates elsewhere. So a view takes memory only if
    the variable is updated, or is on another device than the processor.

    Args:
        variable: a tf.Variable, or what tf.distribute makes of it.
    """
    read = getattr(variable, "read_value_no_copy", variable.read_value)
    return np.asarray(memoryview(read()))
