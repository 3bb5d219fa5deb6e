"""Places where trials run: worker processes on this machine, and actors on a Ray cluster."""
