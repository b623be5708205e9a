"""Families of vision-language models: one file each, and their registry."""

from tasktransfer.models.families.family import Family, Pixels
from tasktransfer.models.families.registry import FAMILIES, family_named, family_of

__all__ = ["FAMILIES", "Family", "Pixels", "family_named", "family_of"]
