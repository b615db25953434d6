"""What people do from the command line: sign in, look, decide, declare. Each signs with their own key."""
