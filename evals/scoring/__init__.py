"""Scoring: plan, decode once, encode in batches, measure. ``evals.scoring.stage.score`` runs it all."""
