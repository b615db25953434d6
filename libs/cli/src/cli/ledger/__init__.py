"""`trueup ledger`: what is done to the ledger as a whole."""
