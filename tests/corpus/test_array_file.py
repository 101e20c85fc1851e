import io

import numpy as np

from lmctl.corpus.array_file import ArrayWriter


def test_an_array_grows_as_its_values_come():
    file = io.BytesIO()
    writer = ArrayWriter(file, np.float32)
    for values in ([0.5, -1.0], [], [2.0]):
        writer.append(np.array(values))
    writer.finish()

    file.seek(0)
    np.testing.assert_array_equal(np.load(file), np.array([0.5, -1, 2], dtype=np.float32))
    assert writer.values == 3
