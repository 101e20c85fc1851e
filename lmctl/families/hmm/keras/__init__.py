"""The hidden Markov model as TensorFlow trains it."""
