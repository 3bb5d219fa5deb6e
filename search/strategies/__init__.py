"""Samplers and pruners: one table of each, and the module that writes them down for the documentation."""
