"""Plots and tables of one evaluation, drawn with matplotlib and without any pyplot state."""

from .artifacts import write_trial_artifacts

__all__ = ["write_trial_artifacts"]
