"""The shape of how sources stand."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field


class DelayOut(BaseModel):
    """How long a kind of change took to arrive, in seconds."""

    n: int = Field(description="Measured changes, the last ones.")
    median: float
    worst: float


class SourceOut(BaseModel):
    """How a source stands."""

    source: str
    kind: str
    proven_live: bool = Field(
        description="False: its connector was never run against a live server, only against published samples."
    )
    documents: int
    quarantined: int = Field(description="Documents that could not be read.")
    quarantined_because: dict[str, int] = Field(description="How many of them, by reason code.")
    poorly_read: int = Field(description="Documents of which too little text came out.")
    held_plans: int = Field(description="Plans that wait for a person.")
    synced_at: datetime | None = Field(description="End of the last sync that read it.")
    tried_at: datetime | None = Field(description="End of the last sync, also one that failed.")
    next_sync_at: datetime | None
    failed_scopes: list[str] = Field(description="Places that could not be listed; empty text: all of it.")
    last_error: str | None
    delay_s: dict[str, DelayOut] = Field(description="By kind: new, changed, removed.")


class SourcesOut(BaseModel):
    """The sources of kbm.toml, in its order."""

    sources: list[SourceOut]
