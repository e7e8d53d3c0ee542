"""The Data Movement Service: one filesystem view of all data, whatever stores it."""

__version__ = "0.1.0"
