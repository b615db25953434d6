"""Decides where reality and the declared desired state differ, and opens and closes gaps."""
