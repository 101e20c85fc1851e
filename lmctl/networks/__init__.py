"""What is trained: Keras networks, one file per family."""
