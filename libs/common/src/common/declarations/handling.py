"""What may be relied on, and what is to be left alone: feeds, accepted gaps, what is ignored."""

from datetime import timedelta
from typing import Literal

from common.declarations.fields import Sentence, SpanText, Strict


class Source(Strict):
    """A feed by its name, and what may be relied on: how often it speaks, and that nothing of it is lost."""

    about: Sentence
    quiet_after: SpanText | None = None
    sequence: Literal["gapless"] | None = None
    late_by: SpanText = timedelta()
