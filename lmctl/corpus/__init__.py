"""Tokens become ids on disk: vocabulary, prepared corpus, training batches."""
