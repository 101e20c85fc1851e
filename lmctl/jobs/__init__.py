"""What a command sets in motion, end to end."""
