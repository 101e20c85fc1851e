"""What is estimated by counting: n-gram models, from an id stream to the tables that answer."""
