"""The network in Keras, for training."""
