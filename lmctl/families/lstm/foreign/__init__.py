"""LSTM language models of other programs: Keras files, and PyTorch's word-language-model example."""
