"""The linear recurrent network in Keras, for training."""
