"""Queries of an exported network in onnxruntime beside those of lmctl: size, cold start, and time of a query.

    python -m benchmarks.exports models/news test.txt

A query reads 20 words from the start of a sentence and answers with the five most probable words. lmctl and
onnxruntime compute with one thread; the queries of both alternate.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import lmctl
from benchmarks.processes import measure, use_one_blas_thread
from benchmarks.queries import sample_contexts
from lmctl.corpus.vocabulary import SENTENCE_END_ID
from lmctl.jobs.export import export

if TYPE_CHECKING:
    from collections.abc import Callable

    from lmctl.query.model import Model

WARM_UP_CALLS = 20
# Opens a model and answers one query, as a program of its own. Token ids stand for words.
LMCTL_PROGRAM = """
import sys, numpy as np, lmctl
model = lmctl.load(sys.argv[1]).language_model
ids = np.array([list(map(int, sys.argv[2].split(",")))])
print(model.top_k(model.advance(model.null_state(1), ids.T), 5)[0])
"""
ONNX_PROGRAM = """
import sys, numpy as np, onnxruntime
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(sys.argv[1], options)
kinds = {"tensor(float)": np.float32, "tensor(int64)": np.int64}
sizes = {"N": 1, "M": 0}
states = {s.name: np.zeros([sizes.get(n, n) for n in s.shape], kinds[s.type]) for s in session.get_inputs()[1:]}
ids = np.array([list(map(int, sys.argv[2].split(",")))])
print(session.run(["top_ids"], {"x": ids, **states})[0])
"""


def main() -> None:
    """Print a row for lmctl and for each ONNX file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("model")
    parser.add_argument("text", type=Path)
    parser.add_argument("--queries", type=int, default=500)
    parser.add_argument("--words", type=int, default=20)
    parser.add_argument("--runs", type=int, default=9, help="cold starts of each")
    arguments = parser.parse_args()
    use_one_blas_thread()
    model = lmctl.load(arguments.model)
    contexts = [
        np.array([SENTENCE_END_ID, *model.encode(context).token_ids])
        for context in sample_contexts(arguments.text, arguments.queries, arguments.words)
    ]
    with tempfile.TemporaryDirectory() as folder:
        files = {}
        for name, given in (("float32", {}), ("int8", {"quantize": "int8", "max_loss": 1.0})):
            files[name] = Path(folder) / f"{name}.onnx"
            export(arguments.model, "onnx-step", str(files[name]), {"top": 5, **given})
        queries = {"lmctl": _own_query(model)} | {
            f"onnxruntime, {name}": _onnx_query(path) for name, path in files.items()
        }
        seconds: dict[str, list[float]] = {name: [] for name in queries}
        for number, context in enumerate(contexts):
            for name, query in queries.items():
                began = time.perf_counter()
                query(context)
                if number >= WARM_UP_CALLS:
                    seconds[name].append(time.perf_counter() - began)
        ids = ",".join(map(str, contexts[0].tolist()))
        commands = {"lmctl": [sys.executable, "-c", LMCTL_PROGRAM, arguments.model, ids]} | {
            f"onnxruntime, {name}": [sys.executable, "-c", ONNX_PROGRAM, str(path), ids]
            for name, path in files.items()
        }
        cold: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(arguments.runs):
            for name, command in commands.items():
                cold[name].append(measure(command).seconds)
        bundle = sum(path.stat().st_size for path in Path(model.bundle.folder).rglob("*") if path.is_file())
        sizes = {"lmctl": bundle} | {f"onnxruntime, {name}": path.stat().st_size for name, path in files.items()}
    print("program\tMB\tcold ms\tp50 ms\tp99 ms")
    for name, measured in seconds.items():
        p50, p99 = np.percentile(measured, [50, 99])
        print(
            f"{name}\t{sizes[name] / 1e6:.1f}\t{1000 * statistics.median(cold[name]):.0f}"
            f"\t{1000 * p50:.2f}\t{1000 * p99:.2f}"
        )


def _own_query(model: Model) -> Callable[[np.ndarray], object]:
    network = model.language_model

    def query(context: np.ndarray) -> object:
        return network.top_k(network.advance(network.null_state(1), context[:, None]), 5)

    return query


def _onnx_query(path: Path) -> Callable[[np.ndarray], object]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options)
    kinds = {"tensor(float)": np.float32, "tensor(int64)": np.int64}
    sizes = {"N": 1, "M": 0}
    states = {
        each.name: np.zeros([sizes.get(size, size) for size in each.shape], kinds[each.type])
        for each in session.get_inputs()[1:]
    }

    def query(context: np.ndarray) -> object:
        return session.run(["top_log_probs", "top_ids"], {"x": context[None], **states})

    return query


if __name__ == "__main__":
    main()
