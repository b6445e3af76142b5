"""Articles of a help desk, from the JSON file it exports every night."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from hashlib import sha256
from json import loads
from pathlib import Path
from typing import Any, ClassVar

from kbm.domain.documents import Blob
from kbm.domain.sync import Event, Json, Mark, Ref
from kbm.errors import ConfigError, ConnectorError, ConnectorUnavailable


class HelpdeskConnector:
    kind: ClassVar[str] = "helpdesk"
    url_is_path: ClassVar[bool] = True

    def __init__(self, name: str, settings: Mapping[str, Any], root: Path) -> None:
        wrong = settings.keys() ^ {"url"}
        if wrong:
            raise ConfigError(f"sources.{name}: a help desk needs url and nothing else, see {sorted(wrong)}")
        self.name, self.path = name, root / settings["url"]

    @classmethod
    def recognises(cls, url: str, root: Path) -> Mapping[str, Any] | None:
        return {"url": url} if url.endswith(".helpdesk.json") and (root / url).is_file() else None

    def check(self) -> list[str]:
        try:
            return [] if self._articles() else [f"{self.path.name} holds no articles"]
        except ConnectorError as error:
            return [str(error)]

    def scan(self, cursor: Json) -> Iterator[Event]:
        for id, article in self._articles().items():
            yield Ref(
                id=id,
                version=sha256(repr(article).encode()).hexdigest(),
                title=article["title"],
                url=f"https://helpdesk.example/articles/{id}",
                modified=datetime.fromisoformat(article["updated"]),
                readers=frozenset({"everyone"} if article["public"] else {"group:support"}),
            )
        yield Mark(cursor=None, full=True)

    def fetch(self, ref: Ref) -> Blob:
        article = self._articles().get(ref.id)
        if article is None:
            raise ConnectorUnavailable(f"source {self.name}: there is no article {ref.id} any more")
        return Blob(data=article["text"].encode(), name=f"{ref.id}.md", media_type="text/markdown")

    def _articles(self) -> dict[str, dict[str, Any]]:
        try:
            return {str(one["id"]): one for one in loads(self.path.read_text(encoding="utf-8"))["articles"]}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ConnectorUnavailable(f"source {self.name}: {self.path.name} is no whole export") from error
