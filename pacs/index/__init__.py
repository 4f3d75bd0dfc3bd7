"""Indexes over stored instances: one protocol, several engines, one writer."""
