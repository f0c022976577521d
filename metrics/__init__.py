"""Measurements of generated images: features in, measurements out; knows nothing of runs, APIs, stars or reports."""
