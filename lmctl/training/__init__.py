"""How networks are trained. Only `events` may be imported without TensorFlow."""
