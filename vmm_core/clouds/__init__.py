"""The cloud abstraction layer: one small interface, one file per provider."""
