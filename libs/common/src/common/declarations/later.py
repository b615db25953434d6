"""What the language will know but this version does not offer: refused by name, never ignored."""

FIELDS = {
    "bulk": "deciding many low-risk plans at once",
    "documents": "documents the agent may read",
    "escalate": "escalation after a silence",
    "perPersonPerDay": "limits per person",
    "refer": "referring a decision to another role",
    "referFirst": "a ruling by another role before approval",
    "route": "routing to a queue",
    "sign": "signing by passkey",
}
KINDS = {
    "ChangeCalendar": "change calendars",
    "Model": "the model inventory",
}
PROVIDERS = {"ticket", "git", "http", "mail", "kafka"}


def field(name: str) -> str:
    """The message for a field that comes later, or an empty text when the name is simply unknown."""
    return f"{name} ({FIELDS[name]}) is known but not offered yet by this version." if name in FIELDS else ""
