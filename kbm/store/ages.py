"""How old the stored documents are."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Engine, select

from kbm.domain.documents import EVERYONE
from kbm.domain.report import Expiry
from kbm.store.engine import moment
from kbm.store.schema import document


class Ages:
    """The catalogue's part about the age of documents."""

    def __init__(self, engine: Engine) -> None:
        self._reads = engine

    def expiries(self, source: str, max_age: timedelta, now: datetime) -> tuple[Expiry | None, int]:
        """Give the document that goes past *max_age* next, and how many are past it already.

        Documents without a date never expire. A document that not everyone may read is not named.
        """
        query = select(document.c.item_id, document.c.title, document.c.modified, document.c.readers).where(
            document.c.source == source,
            document.c.present == 1,
            document.c.modified.is_not(None),
            document.c.version_id.is_not(None),
        )
        n_expired, first = 0, None
        with self._reads.connect() as connection:
            for row in connection.execute(query):
                modified = moment(row.modified)
                if modified is None:
                    continue
                at = modified + max_age
                if at < now:
                    n_expired += 1
                elif first is None or (at, row.item_id) < (first[0], first[1].item_id):
                    first = at, row
        if first is None:
            return None, n_expired
        at, row = first
        if f'"{EVERYONE}"' not in row.readers:
            return Expiry(source=source, at=at), n_expired
        return Expiry(source=source, at=at, item_id=row.item_id, title=row.title), n_expired
