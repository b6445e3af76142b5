"""Read a document's source text: front matter, then a small subset of Markdown.

One neutral form for all formats keeps the texts readable in a diff; how a heading or a table looks in Word,
PDF or HTML is the writers' business.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal

BlockKind = Literal["heading", "paragraph", "bullets", "numbers", "table", "pagebreak"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One piece of a document; *items* are list entries, *rows* a table with its header first."""

    kind: BlockKind
    text: str = ""
    level: int = 0
    items: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A document to be written: where, what, by whom, and its blocks."""

    source: Path
    target: str
    title: str
    language: str
    author: str
    written: datetime
    meta: tuple[tuple[str, str], ...] = ()
    extra: dict[str, str] = field(default_factory=dict)
    body: str = ""
    blocks: tuple[Block, ...] = ()

    @property
    def suffix(self) -> str:
        return Path(self.target).suffix


_KNOWN = {"target", "title", "lang", "author", "date", "meta"}


def read_page(path: Path) -> Page:
    """Read one source file.

    Raises:
        ValueError: a required front matter key is missing.
    """
    head, _, body = path.read_text(encoding="utf-8").removeprefix("---\n").partition("\n---\n")
    keys = dict(_key_and_value(line) for line in head.splitlines() if line.strip())
    missing = {"target", "title", "lang", "author", "date"} - keys.keys()
    if missing:
        raise ValueError(f"{path}: front matter lacks {', '.join(sorted(missing))}")
    return Page(
        source=path,
        target=keys["target"],
        title=keys["title"],
        language=keys["lang"],
        author=keys["author"],
        written=datetime.fromisoformat(keys["date"]),
        meta=tuple(_key_and_value(part) for part in keys.get("meta", "").split(" | ") if part),
        extra={key: value for key, value in keys.items() if key not in _KNOWN},
        body=body.strip() + "\n",
        blocks=tuple(read_blocks(body)),
    )


def _key_and_value(line: str) -> tuple[str, str]:
    key, _, value = line.partition(":")
    return key.strip(), value.strip()


def read_blocks(body: str) -> Iterator[Block]:
    """Split *body* at blank lines; a paragraph may run over several lines."""
    for part in re.split(r"\n\s*\n", body.strip()):
        lines = [line.rstrip() for line in part.splitlines()]
        first = lines[0]
        if first == "\\newpage":
            yield Block(kind="pagebreak")
        elif first.startswith("#"):
            marks, _, text = first.partition(" ")
            yield Block(kind="heading", level=len(marks), text=text)
            if len(lines) > 1:
                yield from read_blocks("\n".join(lines[1:]))
        elif first.startswith("|"):
            yield Block(kind="table", rows=tuple(_cells(line) for line in lines if not _is_rule(line)))
        elif first.startswith("- "):
            yield Block(kind="bullets", items=_items(lines, r"- "))
        elif re.match(r"\d+\. ", first):
            yield Block(kind="numbers", items=_items(lines, r"\d+\. "))
        else:
            yield Block(kind="paragraph", text=" ".join(line.strip() for line in lines))


def _cells(line: str) -> tuple[str, ...]:
    return tuple(cell.strip() for cell in line.strip("|").split("|"))


def _is_rule(line: str) -> bool:
    return set(line) <= set("|-: ")


def _items(lines: list[str], mark: str) -> tuple[str, ...]:
    items: list[str] = []
    for line in lines:
        match = re.match(mark, line)
        if match:
            items.append(line[match.end() :])
        else:
            items[-1] += " " + line.strip()
    return tuple(items)


def bold_runs(text: str) -> Iterator[tuple[str, bool]]:
    """Split *text* at ``**`` into runs with their weight."""
    for index, run in enumerate(text.split("**")):
        if run:
            yield run, index % 2 == 1


def plain(text: str) -> str:
    """Take the emphasis marks away."""
    return text.replace("**", "")
