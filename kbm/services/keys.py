"""Make, list, replace and revoke API keys."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import timedelta

from kbm.domain.access import Action, ApiKey, Rights, new_token, token_hash, token_id
from kbm.errors import NotFound, UsageError
from kbm.ports import Clock
from kbm.services.access_needs import Keys, KeyUses


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """A key just made; ``token`` is shown once and stored nowhere."""

    key: ApiKey
    token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ManageKeys:
    """The use case with what it needs."""

    keys: Keys
    uses: KeyUses
    gpts: Collection[str]
    clock: Clock

    def create(self, name: str, rights: Rights, *, valid_for: timedelta | None, who: str) -> NewKey:
        """Make a key.

        Raises:
            NotFound: it names a GPT that is not there.
            UsageError: it has no name, allows nothing or reads nothing.
        """
        for gpt in sorted(rights.gpts or ()):
            if gpt not in self.gpts:
                raise NotFound("GPT", gpt, self.gpts)
        if not name.strip():
            raise UsageError("a key needs a name; none was made", hint="name the application that uses it")
        if not rights.actions or not rights.readers or (rights.gpts is not None and not rights.gpts):
            raise UsageError("a key that allows nothing is of no use; none was made")
        if Action.DECIDE in rights.actions and not rights.person:
            raise UsageError(
                "a key that decides belongs to one person; none was made", hint="name them: --person MAIL"
            )
        token, now = new_token(), self.clock.now()
        id = token_id(token)
        assert id is not None  # noqa: S101 - what new_token makes has one
        key = ApiKey(
            id=id,
            name=name.strip(),
            hash=token_hash(token),
            rights=rights,
            created_at=now,
            created_by=who,
            expires_at=now + valid_for if valid_for else None,
        )
        self.keys.create(key)
        return NewKey(key=key, token=token)

    def rotate(self, id: str, *, overlap: timedelta, who: str) -> NewKey:
        """Make a key with the same rights; the old one holds for *overlap* more, so that nothing stands still.

        Raises:
            NotFound: there is no such key.
            UsageError: it does not hold any more.
        """
        old = self.keys.find(id)
        if old is None:
            raise NotFound("key", id, [one.id for one in self.keys.all()])
        now = self.clock.now()
        if not old.holds_at(now):
            raise UsageError(f"key {id} does not hold any more; none was made", hint="kbm keys create NAME")
        valid_for = old.expires_at - old.created_at if old.expires_at else None
        made = self.create(old.name, old.rights, valid_for=valid_for, who=who)
        self.keys.end(id, at=now + overlap, who=who)
        return made

    def revoke(self, id: str, *, who: str) -> ApiKey:
        """Let a key open nothing from now on; one that is revoked stays so.

        Raises:
            NotFound: there is no such key.
        """
        return self.keys.end(id, at=None, who=who)

    def list(self) -> list[ApiKey]:
        """List all keys, newest first, with the day each was used last."""
        last = self.uses.last_days()
        return [replace(one, last_used_on=last.get(f"key:{one.id}")) for one in self.keys.all()]
