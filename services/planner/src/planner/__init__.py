"""Drafts one fix for a confirmed gap, with reasons and alternatives; it can do nothing else."""
