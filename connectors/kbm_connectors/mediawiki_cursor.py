"""Up to where a wiki's recent changes were listed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from kbm.domain.sync import Json
from kbm.errors import ConnectorUnavailable
from kbm_connectors.mediawiki_api import Page


@dataclass(frozen=True, slots=True)
class Cursor:
    """Up to which recent change everything was listed; times are the wiki's own."""

    settings: str
    rcid: int
    changed: datetime
    full: datetime

    @classmethod
    def of(cls, cursor: Json) -> Cursor | None:
        """Read a stored cursor; None when it is none of this connector's."""
        match cursor:
            case {"settings": str(settings), "rcid": int(rcid), "changed": str(changed), "full": str(full)}:
                return cls(settings, rcid, moment_of(changed), moment_of(full))
        return None

    def as_json(self) -> Json:
        """Give the cursor as it is stored."""
        times = {"changed": written(self.changed), "full": written(self.full)}
        return {"settings": self.settings, "rcid": self.rcid, **times}


def newest(changes: list[Page], since: Cursor) -> tuple[int, datetime]:
    """Give number and time of the latest of *changes*; those of *since* when there is none."""
    if not changes:
        return since.rcid, since.changed
    last = max(changes, key=lambda one: (one["timestamp"], one["rcid"]))
    return last["rcid"], moment_of(last["timestamp"])


def moment_of(text: str) -> datetime:
    """Read a time as the wiki writes it."""
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise ConnectorUnavailable(f"the wiki wrote {text[:40]!r} for a time") from None


def written(moment: datetime) -> str:
    """Write a time as the wiki does."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
