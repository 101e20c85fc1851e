"""The layers in Keras, for training."""
