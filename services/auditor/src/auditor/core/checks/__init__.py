"""What a verifier checks, one named question each. All of it is pure: the file's content in, answers out."""
