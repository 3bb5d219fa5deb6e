"""Pages about a study: its report, and chosen trials side by side."""
