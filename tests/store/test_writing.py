import numpy as np
import safetensors.numpy

from lmctl.store.writing import weights_file


def test_weights_of_any_memory_layout_are_written_alike():
    array = np.arange(6, dtype=np.float32).reshape(2, 3)

    assert weights_file({"w": np.asfortranarray(array)}) == weights_file({"w": array})


def test_weights_that_are_not_contiguous_are_written_as_they_are_counted():
    # safetensors 0.8.0 writes a transposed array in the order of its memory, without an error; 0.7.0 did not.
    values = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    weights = {"transposed": values[0].T, "part": values[:, ::2, 1:3], "fortran": np.asfortranarray(values[1])}

    written = safetensors.numpy.load(weights_file(weights))

    assert {name: array.tolist() for name, array in written.items()} == {
        name: array.tolist() for name, array in weights.items()
    }
