"""The audit of an article: each claim recomputed, or held against cited facts and a run's own measurements."""
