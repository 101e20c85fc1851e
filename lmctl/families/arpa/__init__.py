"""ARPA files: the format in which n-gram toolkits exchange their models."""
