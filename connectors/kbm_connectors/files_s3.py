"""The files in a bucket: Amazon S3, MinIO, Ceph, and every store that speaks their interface.

**What tells an edit.** The ETag and size: a file that is uploaded again as it was changes nothing.

**What is listed.** The whole folder in one go, page by page; a page that cannot be had leaves everything as it is.
S3 has no folders: one that nothing lies in is the same as one that never was. So a folder without anything is told
like a missing one. An empty bucket is there, and the core asks a person about it.

**When a file was modified.** S3 knows the time of the upload. Where the tool that copied a file here wrote its own
time beside it, that one is taken when the file is read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from kbm.domain.documents import Blob
from kbm.domain.sync import Event, Failed, Mark, Ref
from kbm.errors import ConfigError, ConnectorError, ConnectorRefused
from kbm_connectors.files_s3_store import Object, S3Settings, S3Store
from kbm_connectors.files_tree import Selection, link
from kbm_connectors.folder_walk import item_id, path_of

_URL = re.compile(r"s3://(?P<bucket>[^/?#@:]+)(?:/(?P<folder>.*))?", re.IGNORECASE | re.DOTALL)
_AMAZON = re.compile(
    r"https://(?:(?P<host>[^/]+)\.)?s3[.-](?P<region>[a-z]{2}[a-z0-9-]+\d)\.amazonaws\.com/(?P<path>[^?#]*)"
)


class S3Tree:
    """The objects below a folder of a bucket that *wanted* selects."""

    def __init__(
        self,
        name: str,
        settings: S3Settings,
        root: Path,
        wanted: Selection,
        pause: Callable[[float], None],
    ) -> None:
        address = _URL.fullmatch(settings.url)
        if address is None:
            raise ConfigError(f"sources.{name}.url: name the bucket, as in s3://BUCKET/FOLDER")
        bucket, folder = address["bucket"], (address["folder"] or "").strip("/")
        self.place = f"s3://{bucket}" + (f"/{folder}" if folder else "")
        self._name, self._wanted, self._link_prefix = name, wanted, settings.url_prefix
        self._prefix = f"{folder}/" if folder else ""
        self._store = S3Store(name, settings, root, bucket, self._prefix, pause)

    def problem(self) -> str:
        """Say what keeps the bucket from being read."""
        try:
            page = self._store.page("")
        except (ConnectorError, ConfigError) as error:
            return f"{error} ({error.hint})" if error.hint else str(error)
        return "" if page.objects or not self._prefix else self._nothing

    def scan(self) -> Iterator[Event]:
        """List all objects below the folder."""
        after, asked, is_there = "", {""}, not self._prefix
        while True:
            try:
                page = self._store.page(after)
            except ConnectorError as error:
                told = f"{error} ({error.hint})" if error.hint else str(error)
                yield Failed(scope="", why=told, retry=error.retryable)
                return
            is_there = is_there or bool(page.objects)
            for found in page.objects:
                path = found.key[len(self._prefix) :]
                # A key that ends in a slash stands for a folder.
                if not path or path.endswith("/"):
                    continue
                if {".", ".."} & set(path.split("/")):
                    why = "its name leads out of the folder; not read"
                    yield Failed(scope=_scope(path), id=item_id(path), why=why, retry=False)
                elif self._wanted.wants(path):
                    yield self._ref(path, found)
            after = page.next
            if not after:
                break
            if after in asked:
                yield Failed(scope="", why="the listing goes in circles")
                return
            asked.add(after)
        yield Mark(cursor=None, full=True) if is_there else Failed(scope="", why=self._nothing)

    def fetch(self, ref: Ref) -> Blob:
        """Read one object.

        Raises:
            ConnectorUnavailable: it is gone, or the store does not answer.
            ConnectorRefused: it may not be read, is too large, or lies in an archive.
        """
        path = path_of(ref.id)
        if {".", ".."} & set(path.split("/")):
            raise ConnectorRefused(f"source {self._name}: {ref.id!r} is no path below its folder")
        body = self._store.read(self._prefix + path, ref.id)
        name = ref.id.rsplit("/", 1)[-1]
        return Blob(data=body.data, name=name, media_type=ref.media_type, modified=body.modified)

    @property
    def _nothing(self) -> str:
        return f"there is nothing at {self.place}; a folder that was emptied looks the same as a wrong one"

    def _ref(self, path: str, found: Object) -> Ref:
        return Ref(
            id=item_id(path),
            version=f"{found.etag or found.uploaded}-{found.size}",
            url=link(self._link_prefix, path, f"{self.place}/{quote(path)}"),
            modified=found.uploaded,
            size=found.size,
            scope=_scope(path),
        )


def _scope(path: str) -> str:
    return item_id(path).rpartition("/")[0]


def recognised(url: str) -> dict[str, Any] | None:
    """Propose the keys for the address of a bucket: ``s3://…``, or the one a browser shows at Amazon."""
    if url.lower().startswith("s3://"):
        return {"url": url}
    found = _AMAZON.fullmatch(url)
    if found is None:
        return None
    bucket, _, folder = (
        found["path"].partition("/") if not found["host"] else (found["host"], "", found["path"])
    )
    return {"url": f"s3://{bucket}/{folder}".rstrip("/"), "region": found["region"]} if bucket else None
