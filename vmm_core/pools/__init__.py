"""Keeps machines ready: how many (sizing, plan: pure), and making it so (manager)."""
