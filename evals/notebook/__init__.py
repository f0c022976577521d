"""A scored run in a notebook: it shows itself, its tables are pandas', its figures matplotlib's."""
