"""What people ask of a model, in words, whatever its family."""
