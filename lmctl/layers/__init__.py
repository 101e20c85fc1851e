"""Layers that families share: word vectors, softmax, clusters, products. NumPy here; Keras in `layers.keras`."""
