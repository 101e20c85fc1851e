"""The layers as Keras trains them."""
