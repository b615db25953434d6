"""`trueup observe`: a file of rows becomes a snapshot that the observer records."""
