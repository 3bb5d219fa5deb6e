"""MLflow: the records it is sent, the outbox that keeps them, the tracker that applies them, and reading it back."""
