"""Drift: whether a system has changed between two runs, paired by prompt."""
