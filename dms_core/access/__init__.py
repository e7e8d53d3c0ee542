"""Who is calling, what they belong to, and what they may therefore do."""
