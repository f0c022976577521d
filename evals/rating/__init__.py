"""The rating stage: a score table in, ratings with their evidence out; reads tables only, never an image."""

from evals.rating.ratings import Ratings, rate
from evals.rating.stars.document import Stars, award_stars
from evals.rating.stars.same_prompts import one_id_per_prompt

__all__ = ["Ratings", "Stars", "award_stars", "one_id_per_prompt", "rate"]
