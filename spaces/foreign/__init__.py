"""Spaces that users bring: KerasTuner HyperModels, loaded and adapted."""
