"""Models on disk: bundles, and the generations of a named model."""
