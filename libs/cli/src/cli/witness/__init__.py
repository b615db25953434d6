"""`trueup witness`: cosigns checkpoints of logs, for whoever has no other witness (C2SP tlog-witness).

It is worth something only on another machine than the log's, in other hands than the log's administrator's.
"""
