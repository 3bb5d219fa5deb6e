"""The work of a worker: one trial, from its values to a fitted model."""
