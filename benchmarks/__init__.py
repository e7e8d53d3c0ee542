"""Benchmarks: each writes its figures to results/, peers in the same run."""
