"""Messages of the connection between workers."""

import math

import pytest

from lmctl.errors import WorkerLostError
from lmctl.training.hosts.cluster import Cluster


@pytest.mark.usefixtures("cpu")
@pytest.mark.parametrize(
    ("seconds", "how"),
    [
        (300.0, "was lost, or did not come within 300 s (device.timeout), while waiting"),
        # Workers wait for the state of the chief as long as it lives.
        (math.inf, "was lost while waiting"),
    ],
)
def test_a_worker_that_is_lost_is_named_with_the_time_that_it_had(seconds, how):
    import tensorflow as tf

    from lmctl.training.hosts.link import Link

    link = object.__new__(Link)
    link.cluster = Cluster(("a:1", "b:2"), 1)

    with pytest.raises(WorkerLostError) as caught, link._naming_the_lost("waiting", seconds):
        raise tf.errors.UnavailableError(None, None, "/job:worker/replica:0/task:0 has died")
    assert str(caught.value) == (
        f"worker 0 (a:1) {how}; nothing was published, and the same commands on all hosts continue"
    )
