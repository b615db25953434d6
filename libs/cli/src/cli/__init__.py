"""The trueup command."""
