"""What the auditor does by itself: issuing attestations, sealing the ledger, asking witnesses."""
