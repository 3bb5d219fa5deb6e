"""Where studies are kept: databases, their owners and locks, and patience with them."""
