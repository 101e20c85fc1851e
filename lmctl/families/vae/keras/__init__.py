"""The variational autoencoder in Keras, for training."""
