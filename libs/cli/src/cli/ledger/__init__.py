"""`trueup ledger`: is it whole, and do the services' tables say what it says?"""
