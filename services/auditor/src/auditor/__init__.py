"""Verifies from fresh observations, closes cases and issues attestations that anyone can check."""
