"""The databases that keep studies: opening them, owning a study in them, and patience with them."""
