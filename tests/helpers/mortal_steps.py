"""A function that is killed the first time, in the midst of writing a file."""

import resource
import signal
from pathlib import Path

FEW_BYTES = 64


class DiesFirst:
    """Applies a function to items; the first process that does so is killed when a file has a few bytes.

    Args:
        function: the function.
        folder: a folder for a file that says whether it was killed.
        name: name of that file.
    """

    def __init__(self, function, folder, name):
        self.function = function
        self.mark = Path(folder) / name

    def __call__(self, item):
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        if not self.mark.exists():
            self.mark.touch()
            # Python ignores the signal that the kernel sends when a file has reached the limit.
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
            resource.setrlimit(resource.RLIMIT_FSIZE, (FEW_BYTES, hard))
        return self.function(item)
