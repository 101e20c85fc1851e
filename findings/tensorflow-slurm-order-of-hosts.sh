#!/bin/bash
# TensorFlow: SlurmClusterResolver orders hosts by their names as text, so from ten hosts on a task has another's address.
#
# Expected: the resolver lists the tasks in the order of Slurm's ranks: task 2 of node[8-10] is on node10.
# Seen: the hosts are sorted as strings, so node10 comes first. The process of rank 0 runs on node8, is told that it is
#   task 0, and finds node10 at that place: each process has an address on a host where it does not run.
# lmctl: reads Slurm's variables itself, and keeps the order of `scontrol show hostnames`, which is that of the ranks.
#
# 2026-11-29, tensorflow 2.21.0, Python 3.11:
#   rank 0, on node8: task 0 at node10:8888
#   rank 1, on node9: task 1 at node8:8888
#   rank 2, on node10: task 2 at node9:8888
. "$(dirname "$0")/lib.sh"
environment venv tensorflow==2.21.0
cat >ranks.py <<'PY'
import os

import tensorflow as tf

os.environ |= {
    "SLURM_STEP_NUM_TASKS": "3",
    "SLURM_STEP_NODELIST": "node[8-10]",
    "SLURM_STEP_TASKS_PER_NODE": "1(x3)",
}
for rank, host in enumerate(("node8", "node9", "node10")):
    os.environ["SLURM_PROCID"] = str(rank)
    resolver = tf.distribute.cluster_resolver.SlurmClusterResolver(gpus_per_node=1, auto_set_gpu=False)
    addresses = resolver.cluster_spec().as_dict()["worker"]
    _, task = resolver.get_task_info()
    print(f"rank {rank}, on {host}: task {task} at {addresses[task]}")
PY
TF_CPP_MIN_LOG_LEVEL=3 venv/bin/python ranks.py 2>log | tee seen || { cat log; exit 2; }
diff seen - <<'TXT'
rank 0, on node8: task 0 at node10:8888
rank 1, on node9: task 1 at node8:8888
rank 2, on node10: task 2 at node9:8888
TXT
