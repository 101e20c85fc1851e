"""The steps of `lmctl train`: known? -> lock -> prepare -> fit -> compare -> publish -> save the request."""
