"""Storages: where bytes are. One file each, found by entry point ``dms_core.storage``."""
