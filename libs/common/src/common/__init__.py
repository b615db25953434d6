"""What all services share, and nothing else."""
