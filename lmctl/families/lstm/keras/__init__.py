"""The LSTM in Keras, for training."""
