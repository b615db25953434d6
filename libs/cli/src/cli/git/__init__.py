"""Declarations kept in Git: `repository` reads, `comparing` says what differs from what is active (pure), `courier`
proposes what was merged, `reporting` makes a difference a gap like any other.
"""
