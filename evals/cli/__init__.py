"""The command twinlens, one file a command."""
