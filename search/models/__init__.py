"""Trained networks as they are passed on: contract, folder on disk, MLflow's format, and safety checks."""
