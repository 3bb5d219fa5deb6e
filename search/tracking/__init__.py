"""What MLflow is to be told: the records, the journal that writes them, the outbox that keeps them, the tracker."""
