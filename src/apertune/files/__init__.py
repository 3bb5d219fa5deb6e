"""Files and folders that are whole or not there, and patience with a full disk."""
