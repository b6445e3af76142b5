"""What a person writes about a source of kind ``confluence``, and up to where one was listed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator, model_validator

from kbm.domain.sync import Json
from kbm_connectors.http import HttpSettings, Reference

CLOUD_HOST = ".atlassian.net"
KEY = re.compile(r"~?[\w:-]+")
"""How keys of spaces are spelled; a query may name them."""


class ConfluenceSettings(HttpSettings):
    """Keys of a source of kind ``confluence``."""

    deployment: Literal["", "cloud", "server"] = Field(
        default="", description="'cloud', or 'server' for Data Center; empty: by the address."
    )
    token: Reference = Field(
        default="", description="On a server, in place of user and password: a personal access token."
    )
    spaces: tuple[str, ...] = Field(
        default=(), description="Keys of the spaces to read; empty: all shared ones."
    )
    attachments: bool = Field(default=False, description="Read the files at the pages too.")
    time_zone: str = Field(
        default="", description="The account's time zone, as in 'Europe/Berlin'; empty: what the site tells."
    )
    full_every_hours: int = Field(
        default=20, ge=0, le=720, description="Hours between full listings; 0: always."
    )

    @field_validator("spaces")
    @classmethod
    def _are_keys(cls, spaces: tuple[str, ...]) -> tuple[str, ...]:
        wrong = next((key for key in spaces if not KEY.fullmatch(key)), None)
        if wrong is not None:
            raise ValueError(f"{wrong!r} is no key of a space: it stands in the address of its pages")
        return spaces

    @field_validator("time_zone")
    @classmethod
    def _is_known(cls, name: str) -> str:
        if name and zone_of(name) is None:
            raise ValueError("no time zone of that name; write it as in 'Europe/Berlin'")
        return name

    @model_validator(mode="after")
    def _one_account(self) -> ConfluenceSettings:
        if self.token and self.user:
            raise ValueError("give a token, or user and password, not both")
        return self

    @property
    def is_cloud(self) -> bool:
        """Tell which of the two interfaces the site has."""
        host = urlsplit(self.url).hostname or ""
        return self.deployment == "cloud" or (not self.deployment and host.endswith(CLOUD_HOST))

    @property
    def base(self) -> str:
        """Give the address the interfaces lie under: in the cloud always below ``/wiki``."""
        return f"{self.url}/wiki" if self.is_cloud and not self.url.endswith("/wiki") else self.url


@dataclass(frozen=True, slots=True)
class Cursor:
    """Up to when changes were listed, and when everything was."""

    settings: str
    changed: datetime
    full: datetime

    @classmethod
    def of(cls, cursor: Json) -> Cursor | None:
        """Read a stored cursor; None when it is none of this connector's."""
        match cursor:
            case {"settings": str(settings), "changed": str(changed), "full": str(full)}:
                return cls(settings, datetime.fromisoformat(changed), datetime.fromisoformat(full))
        return None

    def as_json(self) -> Json:
        """Give the cursor as it is stored."""
        return {"settings": self.settings, "changed": self.changed.isoformat(), "full": self.full.isoformat()}


def zone_of(name: str) -> ZoneInfo | None:
    """Give a time zone by its name; None where there is none of it."""
    try:
        return ZoneInfo(name) if name else None
    except (ValueError, OSError, KeyError):
        return None
