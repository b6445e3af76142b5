"""Every error kbm raises on purpose.

KbmError
├── ConfigError               kbm.toml cannot be used
├── UsageError                the request itself is wrong
│   ├── BadQuestion               empty, too long, or not text
│   ├── NothingLive               no release of the GPT is published yet
│   ├── ReleaseEvicted            its index was put away, or its content is gone
│   ├── NotFound                  no GPT, source, release, document … of that name
│   ├── KeyRefused                no key, or one that does not hold
│   └── NotAllowed                the key does not allow that
├── TooManyRequests           a key's limit is reached, or the service is full
├── PluginNotFound            nothing installed under that name
├── PluginBroken              installed, but it cannot be loaded
├── ModelMissing              the embedder's weights are not installed
├── Busy                      another process does this work now
├── LeaseLost                 another process took this work over; nothing more is written
├── ConnectorError            a source could not be read
│   ├── ConnectorUnavailable      try again later (timeout, 429, 5xx)
│   └── ConnectorRefused          a person must act (credentials, rights, profile)
├── ParseFailed               one document cannot be parsed; it is quarantined
├── ProviderUnavailable       an embedder or chat model did not answer
├── ProviderRefused           a chat model's provider wants something else: a person must act
├── NotificationFailed        the morning report did not arrive
├── DecisionConflict          somebody decided meanwhile, or what was seen is no longer so
├── HeldForPerson             done as far as it is safe; a person decides the rest
├── ReleaseNotSealed          the release asked for is not sealed yet
├── IndexDamaged              an index file is not what was sealed
├── AuditBroken               an entry of the audit log is not what was logged
├── ArchiveRefused            a backup or an export is damaged, or made to do harm
├── StorageFailed             the data folder is full, read-only or not ours
│   └── DiskFull                  not enough room to begin
├── JournalDamaged            a line of the journal was changed and is no receipt any more
└── DatabaseNewer             the data folder was written by a newer kbm

Whether repeating helps is a property of the type (``retryable``), as are the exit code at the command line
and the status over HTTP. ``hint`` says what would have worked.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection
from typing import ClassVar


class KbmError(Exception):
    """Something kbm refuses or could not do, told to a person."""

    code: ClassVar[str] = "error"
    retryable: ClassVar[bool] = False
    exit_code: ClassVar[int] = 1
    http_status: ClassVar[int] = 500

    def __init__(self, message: str, *, hint: str = "") -> None:
        self.hint = hint
        super().__init__(message)

    @property
    def told(self) -> str:
        """Give what a caller over the network is told: no paths and bytes of the house, those are in the log."""
        return str(self)


class ConfigError(KbmError):
    """The settings cannot be used; nothing was started."""

    code = "config"
    exit_code = 2


class UsageError(KbmError):
    """The request is wrong as it stands."""

    code = "usage"
    exit_code = 2
    http_status = 422


class BadQuestion(UsageError):
    """The question is empty, too long, or not text."""

    code = "bad_question"


class NotFound(UsageError):
    """Nothing of that name; the message lists what there is, or the nearest of it."""

    code = "not_found"
    exit_code = 2
    http_status = 404

    def __init__(self, kind: str, name: str, known: Collection[str] = (), *, hint: str = "") -> None:
        self.kind, self.name, self.known = kind, name, sorted(known)
        choices = f"; there is: {', '.join(self.known[:12])}" if self.known else ""
        super().__init__(f"no {kind} named {name!r}{choices}", hint=hint or did_you_mean(name, self.known))


class KeyRefused(UsageError):
    """No key was sent, or one that is unknown, expired or revoked; which of these is not told."""

    code = "key_refused"
    http_status = 401


class NotAllowed(UsageError):
    """The key holds, but does not allow that."""

    code = "not_allowed"
    http_status = 403


class TooManyRequests(KbmError):
    """A limit is reached; nothing was done. ``retry_after_s`` says when to try again."""

    code = "too_many_requests"
    retryable = True
    exit_code = 75
    http_status = 429

    def __init__(self, message: str, *, retry_after_s: int, hint: str = "") -> None:
        self.retry_after_s = retry_after_s
        super().__init__(message, hint=hint)


class NothingLive(UsageError):
    """The GPT is there, but no release of it is published yet."""

    code = "nothing_live"
    http_status = 404


class ReleaseEvicted(UsageError):
    """The release is known, but its index was put away to save room, or its content was purged."""

    code = "release_evicted"
    exit_code = 1
    http_status = 409


class PluginNotFound(KbmError):
    """Nothing is installed under that name."""

    code = "plugin_not_found"
    exit_code = 2

    def __init__(self, kind: str, name: str, installed: Collection[str]) -> None:
        self.kind, self.name, self.installed = kind, name, sorted(installed)
        super().__init__(
            f"no {kind} named {name!r}; installed: {', '.join(self.installed) or 'none'}",
            hint=did_you_mean(name, self.installed),
        )


class PluginBroken(KbmError):
    """A plug-in is installed but cannot be loaded; the others go on."""

    code = "plugin_broken"


class ModelMissing(KbmError):
    """The weights of an embedder are not installed; lexical retrieval serves meanwhile."""

    code = "model_missing"
    http_status = 503


class Busy(KbmError):
    """Another process holds the lock; it is named. Nothing was changed."""

    code = "busy"
    retryable = True
    exit_code = 75
    http_status = 503


class LeaseLost(KbmError):
    """This process held the work too long without a sign of life; another one took it over.

    What was committed before is kept; nothing after that is written.
    """

    code = "lease_lost"
    retryable = True
    exit_code = 75
    http_status = 503


class ConnectorError(KbmError):
    """A source could not be read; what is stored of it stays as it is."""

    code = "connector"


class ConnectorUnavailable(ConnectorError):
    """The source did not answer; the nightly job tries it again."""

    code = "source_unavailable"
    retryable = True


class ConnectorRefused(ConnectorError):
    """The source answered, but a person must act: credentials, rights, a path or a profile."""

    code = "source_refused"


class ParseFailed(KbmError):
    """One document cannot be parsed.

    ``reason`` is a value of :class:`kbm.domain.documents.Reason`; the document is quarantined under it and
    the run goes on.
    """

    code = "parse_failed"

    def __init__(self, reason: str, message: str) -> None:
        self.reason = reason
        super().__init__(message)

    def __reduce__(self) -> tuple[type[ParseFailed], tuple[str, str]]:
        """Survive the way out of a worker process."""
        return type(self), (self.reason, str(self))


class ProviderUnavailable(KbmError):
    """A model provider timed out or asked us to slow down; safe to repeat. ``retry_after_s`` is what it asked for."""

    code = "provider_unavailable"
    retryable = True
    http_status = 503

    def __init__(self, message: str, *, hint: str = "", retry_after_s: float | None = None) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(message, hint=hint)


class ProviderRefused(KbmError):
    """A model provider refuses the key, the model's name or the request; repeating it does not help."""

    code = "provider_refused"
    http_status = 503


class NotificationFailed(KbmError):
    """A report did not reach its receiver; it is kept as a file, and the night's result stands."""

    code = "notification_failed"


class DecisionConflict(KbmError):
    """What was to be decided is not what it was when it was looked at. Nothing was changed."""

    code = "conflict"
    exit_code = 1
    http_status = 409


class HeldForPerson(KbmError):
    """The safe part is done; the rest waits for a person and live is unchanged."""

    code = "held"
    exit_code = 3


class ReleaseNotSealed(KbmError):
    """The release is not sealed, so it can be neither read nor published."""

    code = "not_sealed"
    http_status = 409


class IndexDamaged(KbmError):
    """A file of an index differs from what was sealed; it is not read any further."""

    code = "index_damaged"
    http_status = 503

    @property
    def told(self) -> str:
        """Leave out which file it is, and what stands in it."""
        return "the index of the release that should answer is damaged, so it is not read any further"


class AuditBroken(KbmError):
    """The chain of the audit log does not hold; the first entry that breaks it is named. Nothing was changed."""

    code = "audit_broken"


class ArchiveRefused(KbmError):
    """A backup or an export is damaged, or holds what none does. Nothing of it was taken over."""

    code = "archive_refused"


class StorageFailed(KbmError):
    """The data folder cannot be written: full, read-only or not ours. What was finished before is kept."""

    code = "storage"
    retryable = True
    http_status = 503


class DiskFull(StorageFailed):
    """There is not enough room to begin; what is needed and what is free are named. Nothing was changed."""

    code = "disk_full"


class JournalDamaged(KbmError):
    """A line of the journal was changed; what it said cannot be read any more."""

    code = "journal_damaged"


class DatabaseNewer(KbmError):
    """The data folder was written by a newer kbm; a downgrade is refused, nothing was changed."""

    code = "database_newer"


def did_you_mean(name: str, known: Collection[str]) -> str:
    """Name the nearest of *known*, or nothing when none is near."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"did you mean {near[0]!r}?" if near else ""
