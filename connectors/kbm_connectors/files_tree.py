"""What is common to everything the connector ``files`` can read: folders, archives, repositories, servers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, runtime_checkable
from urllib.parse import quote

from kbm.domain.documents import Blob
from kbm.domain.sync import Event, Ref
from kbm_connectors.folder_walk import is_junk
from kbm_connectors.globs import Globs


class Tree(Protocol):
    """Files under one root, by paths with ``/``. What cannot be listed becomes ``Failed``, as in a connector."""

    place: str
    """How the root is called in front of people; holds no secret."""

    def problem(self) -> str:
        """Say what keeps the root from being read; empty means nothing does."""
        ...

    def scan(self) -> Iterator[Event]:
        """List everything, with a full mark at the end if the listing was complete."""
        ...

    def fetch(self, ref: Ref) -> Blob:
        """Read one file, as a connector does."""
        ...


@runtime_checkable
class Remarking(Protocol):
    """What a tree may do besides: say what a person should know of it, once it was listed."""

    def remarks(self) -> list[str]:
        """Say it; empty means nothing."""
        ...


class Selection:
    """Which paths of a tree are wanted. Junk of office programs and file managers never is."""

    def __init__(self, include: tuple[str, ...], exclude: tuple[str, ...]) -> None:
        self.include = Globs(include, wildcards_match_hidden=False)
        self.exclude = Globs(exclude, wildcards_match_hidden=True)

    def wants(self, path: str) -> bool:
        """Tell whether the file at *path* is wanted."""
        return self._reached(path, is_file=True)

    def may_hold(self, folder: str) -> bool:
        """Tell whether a file below *folder* can be wanted."""
        return not folder or self._reached(folder, is_file=False)

    def _reached(self, path: str, *, is_file: bool) -> bool:
        wanted, unwanted = self.include.start, self.exclude.start
        for name in path.split("/"):
            wanted, unwanted = self.include.step(wanted, name), self.exclude.step(unwanted, name)
            if is_junk(name) or not wanted or self.exclude.accepts(unwanted):
                return False
        return self.include.accepts(wanted) if is_file else True


def link(prefix: str, path: str, otherwise: str) -> str:
    """Give the address a citation leads to: below ``url_prefix``, or *otherwise* where there is none."""
    if not prefix:
        return otherwise
    return prefix + ("" if prefix.endswith(("/", "=", "#")) else "/") + quote(path, errors="surrogateescape")
