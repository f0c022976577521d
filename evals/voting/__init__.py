"""Blind votes of people: which pair is asked next, the page that asks, the store that keeps every vote."""
