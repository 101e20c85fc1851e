"""What families share: word vectors, softmax, clusters, products. NumPy here; Keras in `layers.keras`."""
