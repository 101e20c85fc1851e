"""The peer of generation.py, for a Python that has torch: the loop of PyTorch's word-language-model example.

    python benchmarks/torch_generation.py --vocabulary 33278

Weights are random. One text is generated, a word a step: the network reads the last word, the whole softmax is
computed, and a word is drawn from it. Prints the number of words a second.
"""

from __future__ import annotations

import argparse
import time

import torch  # type: ignore[import-not-found]
from torch import nn


class Network(nn.Module):  # type: ignore[misc]
    """Embedding, LSTM layers, and a full softmax.

    Args:
        vocabulary_size: V.
        units: units of the embedding and of each layer.
        layers: number of LSTM layers.
    """

    def __init__(self, vocabulary_size: int, units: int, layers: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary_size, units)
        self.lstm = nn.LSTM(units, units, layers)
        self.output = nn.Linear(units, vocabulary_size)

    def forward(self, words: torch.Tensor, state: object) -> tuple[torch.Tensor, object]:
        """Log probabilities after the words (1, 1), (1, V), and the state after them."""
        hidden, state = self.lstm(self.embedding(words), state)
        return nn.functional.log_softmax(self.output(hidden[0]), dim=1), state


def main() -> None:
    """Print words a second."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--vocabulary", type=int, required=True, metavar="V")
    parser.add_argument("--units", type=int, default=200, help="units of the embedding and of each layer")
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--words", type=int, default=1000)
    parser.add_argument("--temperature", type=float, default=1.0)
    arguments = parser.parse_args()
    torch.manual_seed(1)
    network = Network(arguments.vocabulary, arguments.units, arguments.layers).eval()

    def generate(words: int) -> None:
        last, state = torch.randint(arguments.vocabulary, (1, 1)), None
        for _ in range(words):
            log_probs, state = network(last, state)
            weights = (log_probs[0] / arguments.temperature).exp()
            last.fill_(torch.multinomial(weights, 1)[0])

    with torch.no_grad():
        generate(20)
        began = time.perf_counter()
        generate(arguments.words)
    print(f"{arguments.words / (time.perf_counter() - began):.1f}")


if __name__ == "__main__":
    main()
