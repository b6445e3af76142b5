"""Connect a source: recognise its kind, try it, show what would be read, and write its block into kbm.toml.

Nothing is stored: documents are read and forgotten. The file keeps every byte it has; the block is put at its end, in
one step, and only if the whole is valid with it.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from kbm.domain.documents import lay_out
from kbm.domain.personal_data import redact
from kbm.domain.sync import Failed, Ref
from kbm.errors import (
    ConfigError,
    ConnectorError,
    ConnectorRefused,
    KbmError,
    NotFound,
    ParseFailed,
    UsageError,
)
from kbm.faults import fault_point
from kbm.ports import Connector
from kbm.services.needs import Parsing
from kbm.services.read_items import title_of

N_SAMPLES = 5
LOOKED_EVENTS = 500
"""How much of a listing is looked at: a first look must not take the time of a first sync."""
SCANNED_CHARS = 50_000
"""Characters of a sample that are searched for personal data."""

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_PLACEHOLDER = re.compile(r"\[([^\[\]\n]{2,40})\]")

Settings = Mapping[str, Any]
"""A connector's own keys; Any because each connector has its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A document as it would be read. ``readers`` is None where the source cannot tell; ``problem`` says why not."""

    item_id: str
    title: str
    size: int | None = None
    modified: datetime | None = None
    readers: frozenset[str] | None = None
    personal_data: Mapping[str, int] = field(default_factory=dict)
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A source that could be added. ``n_listed`` counts what was looked at; ``more`` tells that there is more."""

    name: str
    kind: str
    settings: Settings
    readers: tuple[str, ...]
    samples: tuple[Sample, ...] = ()
    problems: tuple[str, ...] = ()
    n_listed: int = 0
    more: bool = False

    @property
    def block(self) -> str:
        """Give the lines for kbm.toml."""
        return toml_block(self.name, {"kind": self.kind, **self.settings}, self.readers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Connect:
    """The use case with what it needs. *kinds* are loaded when asked; *known* are the sources kbm.toml has."""

    kinds: Mapping[str, Callable[[], Any]]  # Any: a connector's class
    parsing: Parsing
    known: Mapping[str, Settings]
    config: Path
    reread: Callable[[str], object]
    """Checks the text of a kbm.toml as it would be read; raises ``ConfigError``."""

    def propose(
        self,
        url: str,
        *,
        kind: str = "",
        name: str = "",
        more: Settings | None = None,
        readers: Collection[str] = (),
    ) -> Proposal:
        """Recognise and try a source.

        Raises:
            UsageError: nothing recognises the address, several do, or a source reads it already.
            ConnectorError: nothing could be read there.
        """
        url = self._as_written(url)
        kind, settings = self._recognised(url, kind)
        settings = {**settings, **(more or {})}
        for other, keys in self.known.items():
            # One database has many views, each of which may be a source.
            what = [key for key in ("url", "view", "query") if key in settings]
            same = "url" in settings and all(keys.get(key) == settings[key] for key in what)
            if same and keys.get("kind") == kind:
                raise UsageError(
                    f"source {other!r} reads {_shown(url)} already; nothing was changed",
                    hint=f"`kbm check` tries it; edit [sources.{other}] in {self.config.name} to change it",
                )
        if name in self.known:
            raise UsageError(
                f"{self.config.name} has a source {name!r} already; nothing was changed",
                hint="choose another --name",
            )
        name = name or self._name_for(url)
        completes = getattr(self.kinds[kind](), "completes", None)
        if completes:
            settings |= completes(name, settings, self.config.parent)
        connector = cast(Connector, self.kinds[kind]()(name, settings, self.config.parent))
        problems = connector.check()
        refs, n, has_more = self._listed(connector, problems)
        samples = tuple(self._sample(connector, ref) for ref in refs)
        return Proposal(
            name=name,
            kind=kind,
            settings=settings,
            readers=tuple(readers),
            samples=samples,
            problems=tuple(problems),
            n_listed=n,
            more=has_more,
        )

    def write(self, proposal: Proposal) -> None:
        """Put the block at the end of kbm.toml.

        Raises:
            ConfigError: the file would not be valid with it; nothing was changed.
        """
        path = Path(os.path.realpath(self.config))
        before = path.read_bytes()
        break_ = "\r\n" if b"\r\n" in before else "\n"
        block = proposal.block.replace("\n", break_)
        text = before.decode("utf-8-sig")
        gap = "" if not text or text.endswith("\n") else break_
        after = f"{text}{gap}{break_}{block}"
        try:
            self.reread(after)
        except ConfigError as error:
            raise ConfigError(
                f"{self.config.name} would not be valid with the new block; nothing was changed: {error}",
                hint="add the block by hand",
            ) from error
        mark = b"\xef\xbb\xbf" if before.startswith(b"\xef\xbb\xbf") else b""
        # Always the same name: what a crash left is written over.
        made = path.with_name(f".{path.name}.new")
        with fault_point("connect.write"):
            with open(made, "wb") as file:
                os.fchmod(file.fileno(), path.stat().st_mode & 0o777)
                file.write(mark + after.encode("utf-8"))
                file.flush()
                os.fsync(file.fileno())
            os.replace(made, path)

    def _as_written(self, url: str) -> str:
        """Spell a path as kbm.toml has it: relative to the file where it lies beside it."""
        if "://" in url:
            return url
        path = Path(os.path.abspath(Path(url).expanduser()))
        root = self.config.parent
        return f"./{path.relative_to(root)}" if path.is_relative_to(root) else str(path)

    def _recognised(self, url: str, kind: str) -> tuple[str, dict[str, Any]]:
        if kind and kind not in self.kinds:
            raise NotFound("connector", kind, self.kinds)
        found: dict[str, dict[str, Any]] = {}
        for one in [kind] if kind else sorted(self.kinds):
            try:
                recognises = getattr(self.kinds[one](), "recognises", None)
                proposed = recognises(url, self.config.parent) if recognises else None
            except OSError as error:
                raise UsageError(
                    f"{_shown(url)} cannot be read: {(error.strerror or str(error)).lower()}"
                ) from error
            except ConfigError:
                raise
            except KbmError:  # a broken plug-in recognises nothing; the others have their turn
                continue
            if proposed is not None:
                found[one] = dict(proposed)
        if len(found) == 1:
            return next(iter(found.items()))
        if kind:
            return kind, {"url": url}
        if found:
            raise UsageError(
                f"{_shown(url)} may be read as {' or '.join(found)}",
                hint=f"choose one: --kind {next(iter(found))}",
            )
        raise self._unknown(url)

    def _unknown(self, url: str) -> UsageError:
        kinds = ", ".join(sorted(self.kinds))
        if "://" not in url:
            path = self.config.parent / url
            if not os.path.lexists(path):
                return UsageError(f"there is nothing at {url}", hint="check the path; shares must be mounted")
            if not os.access(path, os.R_OK):
                return UsageError(
                    f"{url} cannot be read", hint="give the user kbm runs as the right to read it"
                )
        return UsageError(
            f"no connector recognises {_shown(url)}", hint=f"name one with --kind; installed: {kinds}"
        )

    def _name_for(self, url: str) -> str:
        parts = urlsplit(url) if "://" in url else None
        last = (parts.hostname or "" if parts else Path(url).name) or "source"
        stem = last if parts else last.partition(".")[0] or last
        words = re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-")[:40].strip("-") or "source"
        names = (words if n == 1 else f"{words}-{n}" for n in range(1, len(self.known) + 2))
        return next(name for name in names if name not in self.known)

    def _listed(self, connector: Connector, problems: list[str]) -> tuple[list[Ref], int, bool]:
        """List the beginning; only a source that gives nothing at all is no source.

        Raises:
            ConnectorError: nothing was listed.
        """
        refs: list[Ref] = []
        n_events = 0
        try:
            for event in islice(connector.scan(None), LOOKED_EVENTS):
                n_events += 1
                if isinstance(event, Ref):
                    refs.append(event)
                elif isinstance(event, Failed) and not problems:
                    problems.append(f"{event.id or event.scope or 'the whole source'}: {event.why}")
        except ConnectorError as error:
            if not refs:
                raise
            problems.append(str(error))
        if not refs:
            raise ConnectorRefused(
                "; ".join(problems) or "the source lists no document", hint="nothing was written"
            )
        return refs[:N_SAMPLES], len(refs), n_events >= LOOKED_EVENTS

    def _sample(self, connector: Connector, ref: Ref) -> Sample:
        title, size, modified = ref.title or title_of(ref.id), ref.size, ref.modified
        found: Mapping[str, int] = {}
        problem = ""
        try:
            blob = connector.fetch(ref)
            size = len(blob.data)
            parsed = self.parsing.parse(blob)
            title = ref.title or parsed.title or title
            modified = modified or parsed.modified
            found = personal_data(lay_out(parsed.elements)[0])
        except (ConnectorError, ParseFailed) as error:
            problem = str(error)
        return Sample(
            item_id=ref.id,
            title=title,
            size=size,
            modified=modified,
            readers=ref.readers,
            personal_data=found,
            problem=problem,
        )


def personal_data(text: str) -> dict[str, int]:
    """Count the personal data in the beginning of a text by kind; the data itself is not told."""
    text = text[:SCANNED_CHARS]
    found = Counter(_PLACEHOLDER.findall(redact(text)))
    found.subtract(_PLACEHOLDER.findall(text))
    return {kind: n for kind, n in sorted(found.items()) if n > 0}


def toml_block(name: str, keys: Settings, readers: Collection[str]) -> str:
    """Write the block of a source; tables in it come last, as TOML wants them."""
    lines = [f"[sources.{_key(name)}]"]
    lines += [
        f"{_key(key)} = {_value(value)}" for key, value in keys.items() if not isinstance(value, Mapping)
    ]
    note = "" if readers else "  # nobody yet: name who may read what the source itself does not say"
    lines.append(f"readers = {_value(list(readers))}{note}")
    for key, table in keys.items():
        if isinstance(table, Mapping):
            lines += ["", f"[sources.{_key(name)}.{_key(key)}]"]
            lines += [f"{_key(inner)} = {_value(value)}" for inner, value in table.items()]
    return "\n".join(lines) + "\n"


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else json.dumps(key, ensure_ascii=False)


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_value(one) for one in value)}]"
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(str(key))} = {_value(one)}" for key, one in value.items()) + " }"
    # A JSON string is a TOML string, but for the one character that TOML wants escaped and JSON does not.
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")


def _shown(url: str) -> str:
    """Show an address without what may be an account in it."""
    return re.sub(r"(?<=//)[^/@]*@", "", url)
