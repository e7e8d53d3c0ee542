"""Storages that stand in for each other, and where bytes are."""
