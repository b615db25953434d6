"""`trueup audit`: check an attestation without trusting anybody, and read a case's records."""
