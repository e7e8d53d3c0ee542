"""The Virtual Machine Manager: analysis machines, ready before anyone asks."""

__version__ = "0.1.0"
