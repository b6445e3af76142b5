"""Plug-ins by entry-point group and name; a broken one never stops the others."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from kbm.errors import PluginBroken, PluginNotFound

GROUPS = {
    "kbm.connectors": "connector",
    "kbm.parsers": "parser",
    "kbm.chunkers": "chunker",
    "kbm.embedders": "embedder",
    "kbm.chat_models": "chat model",
    "kbm.rerankers": "reranker",
    "kbm.vector_stores": "vector store",
    "kbm.notifiers": "notifier",
    "kbm.detectors": "detector",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """A plug-in as it is found, and why it cannot be loaded, if so."""

    group: str
    name: str
    path: str
    distribution: str
    problem: str = ""


@cache
def _points(group: str) -> tuple[EntryPoint, ...]:
    """Give the entry points of a group; looking through all distributions takes 40 ms, so it is done once."""
    return tuple(entry_points(group=group))


def names(group: str) -> list[str]:
    """List the names installed in a group, without loading anything."""
    return sorted({point.name for point in _points(group)})


def load(group: str, name: str) -> Any:
    """Load a plug-in's class; Any because the caller knows which port it asked for.

    Raises:
        PluginNotFound: nothing of that name; the message lists what there is.
        PluginBroken: it is installed but its import fails.
    """
    return _load(find(group, name))


def find(group: str, name: str) -> EntryPoint:
    """Find a plug-in without loading it.

    Raises:
        PluginNotFound: nothing of that name.
    """
    for point in _points(group):
        if point.name == name:
            return point
    raise PluginNotFound(GROUPS[group], name, names(group))


def _load(point: EntryPoint) -> Any:
    try:
        return point.load()
    except Exception as error:  # whatever a foreign module does on import, the others must go on
        raise PluginBroken(f"plug-in {point.name!r} ({point.value}) cannot be loaded: {error}") from error


def installed() -> list[Installed]:
    """List every plug-in of every group, each tried."""
    found = []
    for group in GROUPS:
        for point in sorted(_points(group), key=lambda point: point.name):
            problem = ""
            try:
                _load(point)
            except PluginBroken as error:
                problem = str(error)
            found.append(
                Installed(
                    group=group,
                    name=point.name,
                    path=point.value,
                    distribution=point.dist.name if point.dist else "",
                    problem=problem,
                )
            )
    return found
