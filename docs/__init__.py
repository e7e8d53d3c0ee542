"""Pages for people, and `build`, which writes the reference pages from the code."""
