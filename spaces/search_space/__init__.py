"""The search space as data: discovered, described, narrowed."""
