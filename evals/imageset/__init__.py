"""The image set: the contract between generating and scoring, read, written, checked and decoded."""
