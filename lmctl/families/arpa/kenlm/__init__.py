"""KenLM's tries: binary files that `build_binary trie` makes of ARPA files."""
