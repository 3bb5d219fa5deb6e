"""`python -m apertune` is the command `apertune`."""

from .cli import main

main()
