"""Files and folders that are complete or absent, and writing that waits while the disk is full."""
