"""The public face in Python: `load`, `tune`, the study that it returns, and a function for each command."""
