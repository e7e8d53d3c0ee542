"""Which pool serves a request, and why: pure functions of needs, pools and counts."""
