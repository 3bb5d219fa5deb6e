"""A trained network as others get it: its contract, its package on disk, its place in MLflow, what makes it safe."""
