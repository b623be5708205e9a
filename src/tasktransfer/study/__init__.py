"""Doing it: a study file in, adapters and per-item predictions out."""
