"""Samplers and pruners: one table of each, which the command, the settings and the documentation read."""
