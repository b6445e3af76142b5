"""Whatever a LlamaIndex reader loads: some hundred systems, as well or badly as their readers read them.

**Ids.** A document whose reader gives it no id gets a random one each time; taken for its name, every sync would
delete the whole source and make it anew. LlamaIndex tells which ids were given; those that were, but look random, are
held against a second run, once. Random ones are refused, and ``id`` then names what in the metadata tells documents
apart. Documents under one id are one: readers of PDF give a document for each page.

**Deletions.** A reader that fails gives fewer documents and says nothing but a line in its log. So what a run does
not give is not taken for deleted, unless ``complete = true`` says that this reader gives everything, and never after
a run in which it logged an error or printed that it passed something over.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator

from kbm.domain.documents import Blob
from kbm.domain.identity import digest
from kbm.domain.sync import Event, Failed, Json, Mark, Ref
from kbm.errors import ConfigError, ConnectorError, ConnectorRefused, ConnectorUnavailable
from kbm.ports import ConnectorSettings
from kbm_connectors.llamaindex_load import Loaded, Reader, Record, load
from kbm_connectors.secret_refs import SecretRef
from kbm_connectors.settings import SourceSettings, validated

CHECKED_FOR_S = 60.0
"""What ``check`` loaded serves the scan that follows it."""
ID_CHARS = 500

_PATH = re.compile(r"[A-Za-z_]\w*(?:\.\w+)*:[A-Za-z_]\w*")
_SECRET = re.compile(
    r"(?:passw(?:or)?d|passphrase|secret|tokens?|api_?keys?|access_?key|private_?key|credentials?)$",
    re.IGNORECASE,
)
_REFERENCE = re.compile(r"env:[A-Za-z_]\w*|file:(?!//).+")
_ACCOUNT = re.compile(r"//[^/@\s:]+:[^/@\s]+@")
_UUID4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", re.IGNORECASE)
_UNSEEN = re.compile(r"[\x00-\x1f\x7f]")

_FORMATS = {
    "text": (".txt", "text/plain"),
    "markdown": (".md", "text/markdown"),
    "html": (".html", "text/html"),
}
_TITLE = ("title", "file_name", "subject", "name")
_URL = ("url", "source_url", "web_url", "link", "permalink", "source")
_AUTHOR = ("author", "owner", "created_by")
_MODIFIED = (
    "last_modified_date",
    "last_modified",
    "modified",
    "modified_at",
    "updated_at",
    "last_edited_time",
)

Keys = dict[str, Any]
"""Arguments of a reader; Any because each has its own."""


class LlamaIndexSettings(SourceSettings):
    """Keys of a source of kind ``llamaindex``."""

    reader: str = Field(description="Import path: 'llama_index.readers.web:SimpleWebPageReader'.")
    arguments: Keys = Field(default={}, description="What the reader is made with; secrets as 'env:NAME'.")
    load: Keys = Field(default={}, description="What its load_data is called with.")
    id: str = Field(default="", description="Metadata key that tells documents apart; empty: their own id.")
    title: str = Field(default="", description="Metadata key of the title; empty: the usual ones.")
    url: str = Field(default="", description="Metadata key of the address; empty: the usual ones.")
    author: str = Field(default="", description="Metadata key of the author; empty: the usual ones.")
    modified: str = Field(default="", description="Metadata key of the last edit; empty: the usual ones.")
    format: Literal["text", "markdown", "html"] = Field(default="text", description="What the texts are.")
    complete: bool = Field(default=False, description="A run gives every document: what is missing is gone.")
    timeout_s: float = Field(default=1_800, ge=1, le=86_400, description="Longest time of a run, in seconds.")
    max_mb: int = Field(
        default=1_000, ge=1, le=100_000, description="Most that a run may load; kept on disk."
    )

    @field_validator("reader")
    @classmethod
    def _import_path(cls, path: str) -> str:
        if not _PATH.fullmatch(path):
            raise ValueError("write module:Class, as in llama_index.readers.web:SimpleWebPageReader")
        return path


@dataclass(slots=True)
class _Item:
    """A document as it will be listed: the texts under one id, and what the first of them says of itself."""

    first: Record
    random: bool
    hashes: list[str] = field(default_factory=list)
    size: int = 0


class LlamaIndexConnector:
    """Lists and hands out what a reader loads."""

    kind: ClassVar[str] = "llamaindex"
    url_is_path: ClassVar[bool] = False

    def __init__(self, name: str, settings: ConnectorSettings, root: Path) -> None:
        self.name = name
        self.settings = validated(LlamaIndexSettings, name, settings)
        self._root = root
        self._secrets: dict[str, SecretRef] = {}
        for key in ("arguments", "load"):
            self._find_secrets(f"sources.{name}.{key}", getattr(self.settings, key))
        self._loaded: Loaded | None = None
        self._checked_at: float | None = None
        self._digest = digest("llamaindex", self.settings.model_dump_json())

    @classmethod
    def recognises(cls, url: str, root: Path) -> dict[str, Any] | None:  # noqa: ARG003 - named by the port
        """Propose the settings for an import path of LlamaIndex's; others are named with ``--kind``."""
        path = url.rpartition("/")[2]
        return {"reader": path} if path.startswith("llama_index.") and _PATH.fullmatch(path) else None

    def check(self) -> list[str]:
        """Run the reader, and say what does not work."""
        try:
            events = list(self._events(None))
        except (ConnectorError, ConfigError) as error:
            return [f"{error} ({error.hint})" if error.hint else str(error)]
        self._checked_at = time.monotonic()
        found = [f"source {self.name}: {event.why}" for event in events if isinstance(event, Failed)]
        if not found and not any(isinstance(event, Ref) for event in events):
            return [f"source {self.name}: the reader loads no document"]
        return found

    def scan(self, cursor: Json) -> Iterator[Event]:
        """Load everything and list it; versions are hashes of the texts."""
        if self._checked_at is not None and time.monotonic() - self._checked_at < CHECKED_FOR_S:
            self._checked_at = None
            yield from self._events(cursor, self._loaded)
            return
        yield from self._events(cursor)

    def fetch(self, ref: Ref) -> Blob:
        """Give the text of a document, as it was loaded for the last listing.

        Raises:
            ConnectorUnavailable: the reader does not give it any more, or fails.
            ConnectorRefused: a person must act.
        """
        if self._loaded is None:
            loaded = self._load()
            self._items(loaded)
            self._loaded = loaded
        offsets = self._loaded.offsets.get(ref.id)
        if not offsets:
            raise ConnectorUnavailable(f"source {self.name}: the reader does not give {ref.id!r} any more")
        ending, media_type = _FORMATS[self.settings.format]
        text = "\n\n".join(self._loaded.at(offset).text for offset in offsets)
        data = text.encode("utf-8", "replace")
        return Blob(data=data, name=f"document{ending}", media_type=media_type)

    # --- listing

    def _events(self, cursor: Json, loaded: Loaded | None = None) -> Iterator[Event]:
        self._loaded = None
        loaded = loaded or self._load()
        items, nameless = self._items(loaded)
        self._refuse_random(items, is_known=cursor == {"ids": self._digest})
        self._loaded = loaded
        if loaded.trouble:
            yield Failed(scope="", why=f"the reader passed over something: {loaded.trouble}")
        if nameless:
            yield Failed(scope="", why=f"{nameless} documents have no {self.settings.id!r} in their metadata")
        for id, item in items.items():
            yield self._ref(id, item)
        vouches = self.settings.complete and not loaded.trouble and not nameless
        yield Mark(cursor={"ids": self._digest}, full=vouches)

    def _items(self, loaded: Loaded) -> tuple[dict[str, _Item], int]:
        """Put the documents of a run together by id, and count those without one."""
        items: dict[str, _Item] = {}
        loaded.offsets = {}
        nameless = 0
        for at, record in loaded.records():
            id = _id(record.metadata.get(self.settings.id) if self.settings.id else record.id)
            if not id:
                nameless += 1
                continue
            item = items.setdefault(id, _Item(record, random=not self.settings.id and not record.given))
            # The text itself is on disk.
            item.first = item.first if item.hashes else Record(id, record.given, "", record.metadata)
            item.hashes.append(digest("text", record.text.encode("utf-8", "replace").decode()))
            item.size += len(record.text.encode("utf-8", "replace"))
            loaded.offsets.setdefault(id, []).append(at)
        return items, nameless

    def _refuse_random(self, items: Mapping[str, _Item], *, is_known: bool) -> None:
        """Refuse ids that are made up anew with each run.

        Raises:
            ConnectorRefused: they are.
        """
        random = next((item for item in items.values() if item.random), None)
        if random is None and not self.settings.id and not is_known:
            looks = {id for id in items if _UUID4.fullmatch(id)}
            if looks and not looks & self._items(self._load())[0].keys():
                random = items[min(looks)]
        if random is not None:
            keys = ", ".join(sorted(str(key) for key in random.first.metadata)) or "nothing"
            raise ConnectorRefused(
                f"source {self.name}: {self.settings.reader}: documents get random ids: none could be found again",
                hint=f'name the metadata key that tells them apart, id = "…"; there is: {keys}',
            )

    def _ref(self, id: str, item: _Item) -> Ref:
        metadata, keys = item.first.metadata, self.settings
        title = _text(_value(metadata, keys.title, _TITLE))
        url = _text(_value(metadata, keys.url, _URL))
        author = _text(_value(metadata, keys.author, _AUTHOR))
        return Ref(
            id=id,
            version=digest("llamaindex", keys.format, title, url, author, *item.hashes)[:32],
            title=title,
            url=url if url.startswith(("https://", "http://")) else "",
            author=author,
            media_type=_FORMATS[keys.format][1],
            modified=_moment(_value(metadata, keys.modified, _MODIFIED)),
            size=item.size,
        )

    # --- running the reader

    def _load(self) -> Loaded:
        return load(
            Reader(
                source=self.name,
                path=self.settings.reader,
                arguments=self._with_secrets(self.settings.arguments),
                load=self._with_secrets(self.settings.load),
                folder=self._root,
                timeout_s=self.settings.timeout_s,
                max_bytes=self.settings.max_mb * 1_000_000,
                hide=self._hide,
            )
        )

    def _find_secrets(self, where: str, value: Any) -> None:
        """Note each reference among the arguments; a secret that is written out is refused."""
        if isinstance(value, dict):
            for key, inner in value.items():
                self._find_secrets(f"{where}.{key}", inner)
        elif isinstance(value, list):
            for inner in value:
                self._find_secrets(where, inner)
        elif isinstance(value, str):
            if _REFERENCE.fullmatch(value):
                self._secrets[value] = SecretRef(key=where, reference=value, root=self._root)
            elif (value and _SECRET.search(where)) or _ACCOUNT.search(value):
                raise ConfigError(
                    f"{where}: a secret is named, never written here: 'env:NAME' or 'file:PATH'"
                )

    def _with_secrets(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self._with_secrets(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [self._with_secrets(inner) for inner in value]
        return self._secrets[value].read() if isinstance(value, str) and value in self._secrets else value

    def _hide(self, text: str) -> str:
        for secret in self._secrets.values():
            text = secret.hide_in(text)
        return text


def _id(value: object) -> str:
    if value is None or isinstance(value, (dict, list)):
        return ""
    id = _UNSEEN.sub(" ", str(value).encode("utf-8", "replace").decode()).strip()
    return id if len(id) <= ID_CHARS else f"{id[:ID_CHARS]}~{digest('id', id)[:16]}"


def _value(metadata: Mapping[str, Any], key: str, usual: tuple[str, ...]) -> object:
    """Give the value of a key, or of the first usual one that is there."""
    return metadata.get(key) if key else next((metadata[one] for one in usual if metadata.get(one)), None)


def _text(value: object) -> str:
    if isinstance(value, list):
        value = ", ".join(str(one) for one in value if isinstance(one, (str, int)))
    shown = str(value) if isinstance(value, (str, int, float)) else ""
    return " ".join(_UNSEEN.sub(" ", shown.encode("utf-8", "replace").decode()).split())[:ID_CHARS]


def _moment(value: object) -> datetime | None:
    """Read a time as ISO 8601 or in seconds since 1970; without a zone it is taken for UTC."""
    try:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC)
        moment = datetime.fromisoformat(str(value).replace("Z", "+00:00")) if value else None
    except (ValueError, OverflowError, OSError):
        return None
    return moment if moment is None or moment.tzinfo else moment.replace(tzinfo=UTC)
