"""What happens in a worker: one trial, from its values to a fitted model."""
