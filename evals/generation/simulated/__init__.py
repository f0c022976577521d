"""Simulated systems: they draw what is asked for, with the defects that a script gives them."""
