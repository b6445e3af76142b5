"""Say who asks, count it, and let it act or not: every door calls these three, and no door decides by itself.

A key is looked up in the database at each request, so a revoked one opens nothing more. Requests are counted in
memory and written down every few seconds: an answer never waits for that, and a process that dies forgets seconds.
"""

from __future__ import annotations

import hmac
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from threading import Lock
from typing import Any

import structlog

from kbm.domain.access import (
    OPEN,
    PUBLIC,
    USUAL_ACTIONS,
    Action,
    Rights,
    Subject,
    authorize,
    is_credential,
    token_hash,
    token_id,
)
from kbm.domain.documents import EVERYONE
from kbm.errors import Busy, KeyRefused, NotAllowed, StorageFailed, TooManyRequests
from kbm.ports import Clock
from kbm.services.access_needs import Keys, KeyUses, Tokens
from kbm.services.needs import Keyed

log = structlog.get_logger()

WRITTEN_EVERY_S = 10.0
_REFUSED = "this door needs a key: Authorization: Bearer kbm_…"
_HINT = "make one with `kbm keys create NAME`; a key that is expired or revoked opens nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a subject may ask where its key says nothing else."""

    per_minute: int
    per_day: int


@dataclass(slots=True)
class _Count:
    tokens: float  # of the minute's bucket
    at: float
    day: str = ""
    n_before: int = 0  # of the day, written down
    n: int = 0  # of the day, not yet written down


@dataclass(slots=True)
class _Counts:
    lock: Lock = field(default_factory=Lock)
    by_subject: dict[str, _Count] = field(default_factory=dict)
    written_at: float = 0.0


class Access:
    """The use case with what it needs. Close it when done."""

    def __init__(
        self,
        *,
        keys: Keys,
        uses: KeyUses,
        tokens: Tokens | None,
        groups_claim: str,
        secret: Keyed,
        gpts: Collection[str],
        public: Collection[str] = (),
        limits: Limits,
        clock: Clock,
        deciders: Callable[[str], Collection[str]] = lambda _: (),
    ) -> None:
        """*public* are those of *gpts* that anybody may ask without a key; *deciders* a GPT's own people."""
        self._deciders = deciders
        self._public = frozenset(public)
        self._keys, self._uses, self._tokens, self._secret = keys, uses, tokens, secret
        self._groups_claim, self._gpts, self._limits, self._clock = groups_claim, gpts, limits, clock
        self._counts = _Counts(written_at=clock.monotonic())
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="key-uses")

    @property
    def is_open(self) -> bool:
        """Tell whether anybody may ask: no key was ever made, and no identity provider is named."""
        return self._tokens is None and not self._keys.any()

    def subject_of(self, bearer: str | None, gpt: str | None = None) -> Subject:
        """Say whose token it is; without one, who anybody is to *gpt*, or to all public GPTs where none is named.

        Raises:
            KeyRefused: there is none and one is needed, or it does not hold.
            ProviderUnavailable: the identity provider does not answer.
        """
        if bearer is None or not is_credential(bearer):
            if self.is_open:
                return OPEN
            public = self._public if gpt is None else self._public & {gpt}
            if not public:
                raise KeyRefused(_REFUSED, hint=_HINT)
            return Subject(id=f"{PUBLIC}:{gpt or ''}", rights=Rights(gpts=public))
        id = token_id(bearer)
        if id is not None:
            key = self._keys.find(id)
            same = hmac.compare_digest(key.hash if key else "", token_hash(bearer))
            if key is None or not same or not key.holds_at(self._clock.now()):
                raise KeyRefused(_REFUSED, hint=_HINT)
            return Subject(id=f"key:{key.id}", rights=key.rights)
        if self._tokens is None:
            raise KeyRefused(_REFUSED, hint=_HINT)
        return self._signed_in(self._tokens.claims(bearer))

    def _signed_in(self, claims: Mapping[str, Any]) -> Subject:
        """Make a subject of a person's token: groups and the address become reader names; Any is JSON."""
        groups = claims.get(self._groups_claim, [])
        names = (
            {f"group:{one}" for one in groups if isinstance(one, str)} if isinstance(groups, list) else set()
        )
        who = claims["sub"]
        names |= {f"user:{one}" for one in (who, claims.get("email")) if isinstance(one, str)}
        mail = claims.get("email")
        proved = isinstance(mail, str) and claims.get("email_verified", True) is True
        rights = Rights(
            actions=USUAL_ACTIONS | ({Action.REVIEW, Action.DECIDE} if proved else frozenset()),
            readers=frozenset({EVERYONE, *names}),
            person=str(mail) if proved else "",
        )
        return Subject(id=f"oidc:{self._secret.mac('subject', str(who))[:24]}", rights=rights)

    def allow(self, subject: Subject, action: Action, gpt: str | None = None) -> None:
        """Let a subject act; raises what :func:`~kbm.domain.access.authorize` does, and KeyRefused without a key."""
        if subject.id.startswith(f"{PUBLIC}:") and action not in subject.rights.actions:
            raise KeyRefused(_REFUSED, hint=_HINT)
        authorize(subject, action, gpt, known=self._gpts)
        person = subject.rights.person
        decides = action in (Action.REVIEW, Action.DECIDE)
        # Whoever is known to the company is not yet one of the GPT's people.
        if gpt is not None and person and decides and person not in self._deciders(gpt):
            raise NotAllowed(
                f"{person} is none of the people of {gpt}",
                hint="owner, deputies and sponsor are named in kbm.toml",
            )

    def decider(self, subject: Subject, gpt: str, claimed: str) -> str:
        """Say in whose name a subject decides about a GPT; *claimed* counts only where no key was ever made.

        Raises:
            NotAllowed: the key decides nothing; otherwise as :meth:`allow`.
        """
        self.allow(subject, Action.DECIDE, gpt)
        return claimed if subject is OPEN else subject.rights.person

    def count(self, subject: Subject) -> None:
        """Count a request, and refuse it where the subject's minute or day is full.

        Raises:
            TooManyRequests: with the seconds to wait.
        """
        if subject is OPEN:
            return
        now, moment = self._clock.monotonic(), self._clock.now()
        day = moment.date().isoformat()
        per_minute = subject.rights.per_minute or self._limits.per_minute
        per_day = subject.rights.per_day or self._limits.per_day
        with self._counts.lock:
            known = subject.id in self._counts.by_subject
        before = 0 if known else self._before(day, subject.id)
        with self._counts.lock:
            count = self._counts.by_subject.setdefault(subject.id, _Count(per_minute, now, day, before))
            if count.day != day:
                count.day, count.n_before, count.n = day, 0, 0
            count.tokens = min(per_minute, count.tokens + (now - count.at) * per_minute / 60)
            count.at = now
            if count.tokens < 1:
                wait = max(1, round((1 - count.tokens) * 60 / per_minute))
                raise TooManyRequests(f"more than {per_minute} requests a minute", retry_after_s=wait)
            if count.n_before + count.n >= per_day:
                midnight = (moment + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
                raise TooManyRequests(
                    f"more than {per_day} requests a day",
                    retry_after_s=int((midnight - moment).total_seconds()) + 1,
                )
            count.tokens -= 1
            count.n += 1
            due = now - self._counts.written_at >= WRITTEN_EVERY_S
            if due:
                self._counts.written_at = now
        if due:
            self._writer.submit(self._write_down)

    def close(self) -> None:
        """Write down what was counted."""
        self._write_down()
        self._writer.shutdown(wait=True)

    def _before(self, day: str, subject: str) -> int:
        try:
            return self._uses.on(day, subject)
        except (StorageFailed, Busy) as error:
            # A full disk must not silence the live release; the limit counts from here then.
            log.warning("key_uses_not_read", why=error.code)
            return 0

    def _write_down(self) -> None:
        taken: dict[str, dict[str, int]] = defaultdict(dict)
        with self._counts.lock:
            for subject, count in self._counts.by_subject.items():
                if count.n:
                    taken[count.day][subject] = count.n
        for day, requests in taken.items():
            try:
                sums = self._uses.add(day, requests)
            except (StorageFailed, Busy) as error:
                log.warning("key_uses_not_written", why=error.code)
                continue
            with self._counts.lock:
                for subject, n in requests.items():
                    count = self._counts.by_subject[subject]
                    if count.day == day:
                        count.n, count.n_before = count.n - n, sums[subject]
