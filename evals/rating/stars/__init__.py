"""Stars: the table of an eval from its score table, with totals, advice by use case and money."""
