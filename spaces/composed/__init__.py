"""The spaces that ship, each combined from a network and a recipe."""
