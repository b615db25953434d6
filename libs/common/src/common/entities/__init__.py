"""What is known of each entity now, folded from what was observed, in a service's own schema.

The fold is a join: the newest observation counts, whatever the order in which observations arrive, however often.
`rows` says what is newer (pure), `views` turns a stored row into what a rule reads (pure), `store` keeps it all in
PostgreSQL, `following` keeps it up with the ledger where no messages do. Every service that decides by what is
observed has a store of its own.
"""

from common.entities.following import Following
from common.entities.rows import Observation, Ref, Report, StoredEntity, newest, order_of
from common.entities.store import EntityStore
from common.entities.views import view_of

__all__ = [
    "EntityStore",
    "Following",
    "Observation",
    "Ref",
    "Report",
    "StoredEntity",
    "newest",
    "order_of",
    "view_of",
]
