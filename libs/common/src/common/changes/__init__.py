"""What a changed declaration would mean for the cases there are: opened, closed, changed. Pure.

`cases` compares one entity before and after, `tally` sums up a whole desired state, bounded in memory.
"""
