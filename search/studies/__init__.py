"""What Optuna knows of a search: the study, its storage and owner, samplers and pruners, trials as read back."""
