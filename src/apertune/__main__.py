"""Runs the command `apertune` as `python -m apertune`."""

from .cli import main

main()
