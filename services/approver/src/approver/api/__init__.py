"""The HTTP API: who is asking, what is asked of them, what they decided."""
