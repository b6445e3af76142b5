"""What the use cases about keys need from outside, as protocols."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol

from kbm.domain.access import ApiKey


class Keys(Protocol):
    """See :class:`kbm.store.keys.Keys`."""

    def create(self, key: ApiKey) -> None: ...
    def end(self, id: str, *, at: datetime | None, who: str) -> ApiKey: ...
    def find(self, id: str) -> ApiKey | None: ...
    def all(self) -> list[ApiKey]: ...
    def any(self) -> bool: ...


class KeyUses(Protocol):
    """See :class:`kbm.store.keys.KeyUses`."""

    def add(self, day: str, requests: Mapping[str, int]) -> dict[str, int]: ...
    def on(self, day: str, subject: str) -> int: ...
    def last_days(self) -> dict[str, str]: ...


class Tokens(Protocol):
    """See :class:`kbm.providers.oidc.OidcTokens`."""

    def claims(self, token: str) -> Mapping[str, Any]: ...  # Any: JSON
