"""Studies on Optuna: definition, storage and owner, the next configuration, and trials as they are read back."""
