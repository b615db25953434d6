"""Scenarios on real data: every service is real, and what is simulated (people, later events) says so."""
