"""Networks whose shape is searched, and those of published references."""
