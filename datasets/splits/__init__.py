"""Splits and folds of a data set, and the duplicates that must stay on one side of them."""
