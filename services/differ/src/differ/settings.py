"""What the differ is told by its environment."""

from __future__ import annotations

from common.settings import Settings


class DifferSettings(Settings):
    """Nothing beyond what every service is told: the differ has no configuration of its own."""
