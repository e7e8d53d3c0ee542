"""Queries, a file for each kind of rows. Each takes an open transaction and commits nothing."""
