"""The ledger: what was asked for, what was made, who holds what. All SQL is in here."""

from .store import Store

__all__ = ["Store"]
