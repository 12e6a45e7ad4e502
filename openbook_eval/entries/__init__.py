"""Entries that a model writes."""
