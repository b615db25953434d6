"""`trueup bus`: the bus is made from the ledger, and can be made again from it."""
