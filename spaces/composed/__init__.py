"""The spaces that ship: a network and a recipe, composed."""
