"""What to train on: from a measured matrix to sources, numbers of items and expected effects."""
