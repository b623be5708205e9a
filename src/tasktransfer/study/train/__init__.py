"""Training one cell and asking it."""
