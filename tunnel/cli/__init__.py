"""The commands of ``python -m tunnel``."""
