"""The fixture of all tests of a real agent."""

from .room import room

__all__ = ["room"]
