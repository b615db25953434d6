"""Declarations: what good is, read from YAML, type-checked, and decided for one entity at one instant.

Everything here is pure: text and values in, values out. The order of use is
`loader` (text to documents) -> `checks` (do they fit together) -> `catalogue` (what is active)
-> `reading` (a row becomes typed attributes) -> `relations` (joins) -> `evaluation` (Met, Missed, Unknown).
"""
