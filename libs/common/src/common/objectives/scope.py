"""What a text about an objective may read."""

from common.declarations.expressions import Scope

SCOPE: Scope = {
    "objective": "text",
    "measured": "text",
    "wanted": "text",
    "population": "number",
    "today": "date",
    "now": "moment",
}
"""What the playbook of an objective can fill in."""
