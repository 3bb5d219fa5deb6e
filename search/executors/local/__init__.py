"""Trials in worker processes on this machine."""
