"""Splits and folds of a data set, and the duplicate images that each keeps on one side."""
