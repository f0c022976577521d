"""The statistics of rating: pure functions over arrays of scores, one value a prompt."""
