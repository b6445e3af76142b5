"""Files, wherever they lie: a folder, an archive, a git repository, a WebDAV server, a Windows share, SFTP, S3.

``url`` decides which; what is wanted, how citations link and where a DMS export keeps its metadata is said the same
way for all. Each kind of place is a :class:`~kbm_connectors.files_tree.Tree` in a file of its own.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from kbm.domain.documents import Blob
from kbm.domain.sync import Event, Failed, Json, Mark, Ref
from kbm.errors import ConfigError
from kbm.ports import ConnectorSettings
from kbm_connectors.files_folder import FolderTree
from kbm_connectors.files_git import GitTree
from kbm_connectors.files_server import proposed
from kbm_connectors.files_settings import GIT, FileChoice, FilesSettings
from kbm_connectors.files_sides import Sides
from kbm_connectors.files_tar import ENDINGS, TarTree
from kbm_connectors.files_tree import Remarking, Selection, Tree
from kbm_connectors.files_wiki import WikiExport
from kbm_connectors.files_xwiki import XWikiExport
from kbm_connectors.files_zip import ZipTree
from kbm_connectors.settings import local_path, validated

if TYPE_CHECKING:
    from kbm_connectors.nt_share import OpenShare

CHECKED_EVENTS = 10_000
"""How far :meth:`FilesConnector.check` looks: far enough to find what is wrong, soon enough to be waited for."""

_DAV_PATH = re.compile(r"https?://[^/]+/(?:.*/)?(?:web)?dav(?:/|$)", re.IGNORECASE)
_WEBDAV = ("webdav+https://", "webdav+http://")
_OTHER_ARCHIVES = (".7z", ".rar", ".tar.zst", ".tar.lz", ".tar.z")


class FilesConnector:
    """Lists and reads the files of a tree."""

    kind: ClassVar[str] = "files"
    url_is_path: ClassVar[bool] = True

    def __init__(
        self,
        name: str,
        settings: ConnectorSettings,
        root: Path,
        *,
        pause: Callable[[float], None] = time.sleep,
        open_share: OpenShare | None = None,
    ) -> None:
        self.name = name
        self.settings: FileChoice
        url = str(settings.get("url", ""))
        if url.lower().startswith(_WEBDAV):
            from kbm_connectors.files_webdav import (
                WebDavSettings,
                WebDavTree,
            )  # httpx only where it is needed

            web = validated(WebDavSettings, name, {**settings, "url": url[len("webdav+") :]})
            self.settings = web
            self._wanted = Selection(self._included(), web.exclude)
            self._tree: Tree = WebDavTree(name, web, root, self._wanted, pause)
        elif url.lower().startswith("smb://"):
            from kbm_connectors.files_smb import SmbSettings, smb_tree

            smb = validated(SmbSettings, name, settings)
            self.settings = smb
            self._wanted = Selection(self._included(), smb.exclude)
            self._tree = smb_tree(name, smb, root, self._wanted, pause, open_share)
        elif url.lower().startswith("sftp://"):
            from kbm_connectors.files_sftp import SftpSettings, sftp_tree

            sftp = validated(SftpSettings, name, settings)
            self.settings = sftp
            self._wanted = Selection(self._included(), sftp.exclude)
            self._tree = sftp_tree(name, sftp, root, self._wanted, pause)
        elif url.lower().startswith("s3://"):
            from kbm_connectors.files_s3 import S3Tree
            from kbm_connectors.files_s3_store import S3Settings

            store = validated(S3Settings, name, settings)
            self.settings = store
            self._wanted = Selection(self._included(), store.exclude)
            self._tree = S3Tree(name, store, root, self._wanted, pause)
        else:
            files = validated(FilesSettings, name, settings)
            self.settings = files
            self._wanted = Selection(self._included(), files.exclude)
            self._tree = self._local_tree(files, root)
        self._sides = Sides(name, self.settings.metadata, files=Selection(self.settings.include, ()))
        export = self.settings.export
        self._wiki = XWikiExport(self.settings.url_prefix) if export == "xwiki" else WikiExport(export)

    @classmethod
    def recognises(cls, url: str, root: Path) -> dict[str, Any] | None:
        """Propose the settings for a folder, an archive, a repository or a WebDAV address; None for anything else."""
        if url.lower().startswith((*_WEBDAV, GIT)):
            return {"url": url}
        if url.lower().startswith(("smb://", "sftp://")):
            return proposed(url)
        if url.lower().startswith(("s3://", "https://")):
            from kbm_connectors.files_s3 import recognised

            bucket = recognised(url)
            if bucket is not None:
                return bucket
        if _DAV_PATH.match(url):
            return {"url": f"webdav+{url}"}
        if "://" in url and not url.startswith("file://"):
            return None
        path = local_path("new", url, root)
        if path.is_dir():
            return {"url": url, "git": True} if (path / ".git").exists() else {"url": url}
        if path.suffix.lower() == ".xar" and path.is_file():
            return {"url": url, "export": "xwiki"}
        return {"url": url} if path.name.lower().endswith((".zip", *ENDINGS)) and path.is_file() else None

    def check(self) -> list[str]:
        """Say what keeps the tree from being read, and what in it cannot be."""
        problem = self._tree.problem()
        if problem:
            return [problem]
        problems, matched = [], False
        for event in islice(self.scan(None), CHECKED_EVENTS):
            match event:
                case Ref():
                    matched = True
                case Failed():
                    place = event.id or event.scope or self._tree.place
                    problems.append(f"{place} cannot be read: {event.why}")
                case Mark() if not matched:
                    problems.append(self._nothing_matches())
        return problems + (self._tree.remarks() if isinstance(self._tree, Remarking) else [])

    def scan(self, cursor: Json) -> Iterator[Event]:  # none of these trees tells what changed
        """List every file that matches; always complete, or it says so."""
        events = self._tree.scan()
        if self.settings.metadata is not None:
            events = self._sides.described(events, self._tree.fetch)
        return self._wiki.named(events, self._tree.fetch) if self.settings.export else events

    def fetch(self, ref: Ref) -> Blob:
        """Read one file.

        Raises:
            ConnectorUnavailable: it is gone, or what it lies in does not answer.
            ConnectorRefused: it may not be read, or it leads outside.
        """
        return self._wiki.read(ref, self._tree.fetch)

    def _included(self) -> tuple[str, ...]:
        side = self.settings.metadata
        return self.settings.include if side is None else (*self.settings.include, side.pattern)

    def _local_tree(self, settings: FilesSettings, root: Path) -> Tree:
        is_git = settings.git or settings.url.startswith(GIT)
        url = settings.url.removeprefix("git+") if settings.url.startswith(GIT) else settings.url
        path = local_path(self.name, url, root)
        prefix = settings.url_prefix
        if is_git:
            return GitTree(self.name, path, self._wanted, ref=settings.ref, url_prefix=prefix)
        if path.suffix.lower() in (".zip", ".xar") and not path.is_dir():
            return ZipTree(
                self.name, path, self._wanted, encoding=settings.metadata_encoding, url_prefix=prefix
            )
        if path.name.lower().endswith(ENDINGS) and not path.is_dir():
            return TarTree(
                self.name, path, self._wanted, encoding=settings.metadata_encoding, url_prefix=prefix
            )
        if path.name.lower().endswith(_OTHER_ARCHIVES) and not path.is_dir():
            raise ConfigError(
                f"sources.{self.name}.url = {settings.url!r}: of archives only .zip and .tar can be read",
                hint="unpack it and give the folder, or pack it as .zip",
            )
        return FolderTree(self.name, path, self._wanted, url_prefix=prefix)

    def _nothing_matches(self) -> str:
        patterns = ", ".join(self.settings.include)
        hint = ""
        if not any("/" in pattern for pattern in self.settings.include):
            hint = f"; to look into its folders too, write **/{self.settings.include[0]}"
        return f"no file in {self._tree.place} matches include = {patterns}{hint}"


__all__ = ["FilesConnector", "FilesSettings"]
