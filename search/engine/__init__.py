"""The engine of a search: planning, supervision, retries, ends, and the repetition of a trial."""
