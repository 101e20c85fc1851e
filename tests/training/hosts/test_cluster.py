"""The description of the workers: on the command line, in TF_CONFIG, in the variables of Slurm."""

import json
import stat
import sys

import pytest

from lmctl.errors import UsageError
from lmctl.training.hosts.cluster import Cluster, cluster_of


def refusal(workers, number, environment=None):
    with pytest.raises(UsageError) as raised:
        cluster_of(workers, number, environment or {})
    return str(raised.value)


def tf_config(cluster, kind, index):
    return {"TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": kind, "index": index}})}


def test_without_options_a_process_trains_alone():
    assert cluster_of(None, None, tf_config({"worker": ["a:1", "b:1"]}, "worker", 0)) is None


def test_addresses_and_number():
    cluster = cluster_of("node1:7000,[::1]:7001,10.0.0.3:7002", 1, {})

    assert cluster == Cluster(("node1:7000", "[::1]:7001", "10.0.0.3:7002"), 1)
    assert (len(cluster), cluster.is_chief, cluster.name(2)) == (3, False, "worker 2 (10.0.0.3:7002)")
    assert [cluster.endpoint(number) for number in range(3)] == [
        ("node1", 7000),
        ("::1", 7001),
        ("10.0.0.3", 7002),
    ]


@pytest.mark.parametrize(
    ("workers", "number", "expected"),
    [
        ("a:1,b", 0, "expected HOST:PORT of each worker, got 'b'"),
        ("a:1,b:0", 0, "expected HOST:PORT of each worker, got 'b:0'"),
        ("a:1,b:65536", 0, "expected HOST:PORT of each worker, got 'b:65536'"),
        ("a:1,::1:5", 0, "expected HOST:PORT of each worker, got '::1:5'"),
        ("a:1,", 0, "expected HOST:PORT of each worker, got ''"),
        ("a:1", 0, "expected at least two workers"),
        ("a:1,b:1,a:1", 0, "a:1 is there twice"),
        ("a:1,b:1", 2, "there are workers 0 to 1, and this is worker 2"),
        ("a:1,b:1", None, "expected --worker N"),
        (None, 1, "expected --workers, too"),
        ("tf-config", 1, "says which worker this is"),
        ("tf-config", None, "has no TF_CONFIG"),
        ("slurm", None, "has no SLURM_PROCID"),
    ],
)
def test_an_incomplete_description_is_refused(workers, number, expected):
    assert expected in refusal(workers, number)


def test_a_chief_of_tf_config_comes_before_its_workers():
    """As in TensorFlow's multi_worker_util.id_in_cluster."""
    jobs = {"worker": ["a:1", "b:1"], "chief": ["c:1"], "evaluator": ["d:1"]}

    assert cluster_of("tf-config", None, tf_config(jobs, "worker", 1)) == Cluster(("c:1", "a:1", "b:1"), 2)
    assert cluster_of("tf-config", None, tf_config(jobs, "chief", 0)) == Cluster(("c:1", "a:1", "b:1"), 0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{", "not as TensorFlow describes a cluster"),
        ('{"cluster": "\udcff"}', "not as TensorFlow describes a cluster"),
        (json.dumps({"cluster": {"worker": ["a:1", "b:1"]}}), "missing required field `task`"),
        (tf_config({"worker": ["a:1", "b:1"]}, "worker", 2)["TF_CONFIG"], "this is worker 2"),
        (tf_config({"worker": ["a:1", "b:1"]}, "evaluator", 0)["TF_CONFIG"], "got task 'evaluator'"),
        (
            tf_config({"worker": ["a:1"], "ps": ["b:1"]}, "worker", 0)["TF_CONFIG"],
            "got task 'worker' of 'ps, worker'",
        ),
    ],
)
def test_a_bad_tf_config_is_refused(text, expected):
    assert expected in refusal("tf-config", None, {"TF_CONFIG": text})


@pytest.fixture
def scontrol(tmp_path, monkeypatch):
    """A stand-in for Slurm's scontrol, which knows one list; its order is that of the numbers, as in Slurm."""
    program = tmp_path / "scontrol"
    program.write_text(
        f"#!{sys.executable}\n"
        "import sys\n"
        "assert sys.argv[1:3] == ['show', 'hostnames']\n"
        "sys.exit('not a list') if sys.argv[3] != 'node[2,10]' else print('node2\\nnode10')\n"
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(tmp_path))


def slurm(rank, nodes, tasks):
    return {"SLURM_PROCID": rank, "SLURM_STEP_NODELIST": nodes, "SLURM_STEP_TASKS_PER_NODE": tasks}


@pytest.mark.usefixtures("scontrol")
def test_tasks_of_slurm_in_the_order_of_their_ranks():
    cluster = cluster_of("slurm", None, slurm("2", "node[2,10]", "2(x2)"))

    assert cluster == Cluster(("node2:8888", "node2:8889", "node10:8888", "node10:8889"), 2)


@pytest.mark.usefixtures("scontrol")
@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        (slurm("0", "node[2,10]", "2(x2),1"), "2 hosts, but numbers of tasks for 3"),
        (slurm("0", "node[", "1"), "scontrol does not expand 'node[': 'not a list'"),
        (slurm("0", "node[2,10]", "two"), "SLURM_STEP_TASKS_PER_NODE is 'two'"),
        (slurm("first", "node[2,10]", "1(x2)"), "not as expected"),
        (slurm("4", "node[2,10]", "1(x2)"), "there are workers 0 to 1, and this is worker 4"),
    ],
)
def test_variables_of_slurm_that_do_not_fit_are_refused(environment, expected):
    assert expected in refusal("slurm", None, environment)


def test_a_host_without_slurm_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))

    assert "scontrol is not on the PATH" in refusal("slurm", None, slurm("0", "node1", "2"))
