"""The process beside a search that draws its plots and tells MLflow what is in its outbox."""
