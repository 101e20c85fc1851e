"""The LSTM as Keras trains it."""
