"""The search space as data: its discovery, its narrowing and its words."""
