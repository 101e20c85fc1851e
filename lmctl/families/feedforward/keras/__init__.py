"""The feed-forward network as Keras trains it."""
