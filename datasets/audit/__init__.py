"""The audit, which finds faults in a data set, and the description, which counts what is in it."""
