"""From tokens to ids on disk: the vocabulary, the prepared corpus and its batches for training."""
