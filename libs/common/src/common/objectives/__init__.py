"""Objectives: what must hold over a whole population, measured exactly. Pure."""
