"""The audit and the description of a data set."""
