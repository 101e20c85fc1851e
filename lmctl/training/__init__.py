"""How networks are trained. Only `events` and `loading` may be imported without TensorFlow."""
