"""The rating stage: a score table in, ratings with their evidence out; reads tables only, never an image."""

from evals.rating.ratings import Ratings, rate

__all__ = ["Ratings", "rate"]
