"""The rating stage: a score table in, ratings with their evidence out; reads tables only, never an image."""

from evals.rating.ratings import Ratings, rate
from evals.rating.stars.document import Stars, award_stars
from evals.rating.stars.duplicate_prompts import merge_duplicate_prompts

__all__ = ["Ratings", "Stars", "award_stars", "merge_duplicate_prompts", "rate"]
