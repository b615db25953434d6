"""Asks the right people, and records who confirmed, approved and released what."""
