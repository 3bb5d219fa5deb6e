"""What a person reads of a study: its report, and its trials side by side."""
