"""The Transformer as Keras trains it."""
