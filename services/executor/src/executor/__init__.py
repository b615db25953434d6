"""Carries out exactly what was approved, after checking everything itself."""
