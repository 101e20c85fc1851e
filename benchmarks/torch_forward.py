"""The peer of scoring.py, for a Python that has torch: the forward pass of torch_wordlm.py's network.

    python benchmarks/torch_forward.py --vocabulary 33278

Weights and ids are random. Segments have 35 tokens, and each starts from a state of zeros. Prints a line for each
batch size: the number of segments, TAB, tokens a second.
"""

from __future__ import annotations

import argparse
import time

import torch  # type: ignore[import-not-found]
from torch import nn

NUM_STEPS = 35


def main() -> None:
    """Print tokens a second for each size of batch."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--vocabulary", type=int, required=True, metavar="V")
    parser.add_argument("--units", type=int, default=200, help="units of the embedding and of each layer")
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--batches", type=int, nargs="+", default=[16, 32, 64, 128, 256], metavar="B")
    parser.add_argument(
        "--tokens", type=int, default=40_000, help="tokens to score with each batch size, at least"
    )
    arguments = parser.parse_args()
    torch.manual_seed(1)
    embedding = nn.Embedding(arguments.vocabulary, arguments.units)
    lstm = nn.LSTM(arguments.units, arguments.units, arguments.layers)
    output = nn.Linear(arguments.units, arguments.vocabulary)

    def score(batch: int) -> None:
        inputs, targets = torch.randint(arguments.vocabulary, (2, NUM_STEPS, batch))
        hidden, _ = lstm(embedding(inputs))  # (T, B, H)
        logits = output(hidden).flatten(0, 1)  # (T * B, V)
        nn.functional.cross_entropy(logits, targets.flatten(), reduction="none")

    with torch.no_grad():
        for batch in arguments.batches:
            score(batch)
            segments = -(-arguments.tokens // (NUM_STEPS * batch))
            began = time.perf_counter()
            for _ in range(segments):
                score(batch)
            print(f"{batch}\t{segments * NUM_STEPS * batch / (time.perf_counter() - began):.0f}", flush=True)


if __name__ == "__main__":
    main()
