"""Records what upstream systems report, once, as it was reported."""
