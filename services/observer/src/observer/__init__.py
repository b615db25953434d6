"""Records what upstream systems report, once, as it was reported; refuses what it cannot, and says why."""
