"""Spaces of ours: a network and a recipe, composed."""
