"""The adapters, one module per on-disk format, and the registry that lists them."""
