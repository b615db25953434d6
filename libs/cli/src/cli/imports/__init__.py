"""Rows out of files that people have: one module a format, each row with the place it was found at."""
