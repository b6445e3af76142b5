"""Where the items of a library lie.

A listing of changes names an item's parent by its id and never its path, and a folder that is renamed, moved, deleted
or shared otherwise leaves what is in it out of the listing. So of every folder its name and parent are kept, in ten
letters, and a folder that is not as it was asks for everything.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import unquote

from kbm.domain.identity import digest
from kbm_connectors.sharepoint_graph import Graph, Item

LETTERS = 10
SHARED = "@microsoft.graph.sharedChanged"


@dataclass(slots=True)
class Places:
    """The folders of one library, as far as they are known or can be asked for."""

    graph: Graph
    drive: str
    _at: dict[str, tuple[str, str]] = field(default_factory=dict)  # id -> name, parent
    _path: dict[str, str | None] = field(default_factory=dict)

    def note(self, items: Iterable[Item]) -> None:
        """Take note of the folders among *items*."""
        for item in items:
            if "folder" in item and "deleted" not in item:
                name = "" if "root" in item else str(item.get("name") or "")
                self._at[item["id"]] = name, "" if "root" in item else _parent(item)

    def path(self, item: Item) -> str | None:
        """Give an item's path below the library; None when the place of its folder is not shown."""
        above = self._folder(_parent(item))
        return None if above is None else f"{above}{item.get('name') or ''}"

    def _folder(self, id: str) -> str | None:
        """Give the path of a folder with ``/`` at its end, empty for the library itself."""
        if id not in self._path:
            self._path[id] = None  # a folder that lies in itself has no place
            self._path[id] = self._found(id)
        return self._path[id]

    def _found(self, id: str) -> str | None:
        if id in self._at:
            name, parent = self._at[id]
            if not parent:
                return ""
            above = self._folder(parent)
            return None if above is None else f"{above}{name}/"
        item = self.graph.item(self.drive, id) if id else None
        if item is None:
            return None
        if "root" in item:
            return ""
        _, found, place = str((item.get("parentReference") or {}).get("path") or "").partition("root:")
        whole = f"{unquote(place).strip('/')}/{item.get('name') or ''}/".lstrip("/")
        return whole if found and item.get("name") else None


def known(folders: Iterable[Item]) -> dict[str, str]:
    """Write down where folders stand."""
    return {
        _short(item["id"]): _short(f"{_parent(item)}/{item.get('name')}")
        for item in folders
        if "folder" in item and "deleted" not in item
    }


def asks_for_everything(item: Item, before: dict[str, str], *, sharing: bool) -> bool:
    """Tell whether an item's change may change others that are not listed."""
    key = _short(item["id"])
    if "deleted" in item:
        return "folder" in item or key in before
    if "folder" not in item:
        return False
    is_moved = key in before and before[key] != _short(f"{_parent(item)}/{item.get('name')}")
    return is_moved or (sharing and str(item.get(SHARED)).lower() == "true")


def _parent(item: Item) -> str:
    return str((item.get("parentReference") or {}).get("id") or "")


def _short(text: str) -> str:
    return digest("folder", text)[:LETTERS]
