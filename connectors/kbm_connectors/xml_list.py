"""Reads XML files in which one element repeats: each is a row, its values are named by their path in it.

``<artikel nr="7"><preis waehrung="EUR">1,20</preis></artikel>`` gives the columns ``@nr``, ``preis`` and
``preis/@waehrung``; what stands around the rows gives ``../@stand`` and ``../kopf``. The file is streamed: no more
than one row is held, whatever its size. A document type is refused, since entities come with it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

from kbm.errors import ConnectorError, ConnectorRefused, did_you_mean
from kbm_connectors.profile import Profile
from kbm_connectors.refusals import refused, unreadable
from kbm_connectors.text_file import Cell, Line, one_line

SUFFIXES = frozenset({".xml"})

CHUNK_BYTES = 1 << 16
MAX_DEPTH = 60
MAX_ROW_CHARS = 10_000_000
"""A single row longer than this is no row: the wrong element was named."""

MAX_AROUND = 100
"""Pieces of text kept of a value that stands around the rows."""

SEVERAL = "; "
"""Stands between the values of an element that repeats inside a row."""


@dataclass(slots=True)
class _Node:
    name: str
    attributes: dict[str, str]
    line: int
    content: list[str | _Node] = field(default_factory=list)
    """Text and elements in their order."""
    holds: bool = False
    """Whether it holds elements."""

    @property
    def children(self) -> list[_Node]:
        return [one for one in self.content if isinstance(one, _Node)]

    @property
    def own_text(self) -> str:
        return "".join(one for one in self.content if isinstance(one, str))

    @property
    def text(self) -> str:
        return "".join(one if isinstance(one, str) else one.text for one in self.content)


class _Refused(Exception):
    """Carries a refusal through expat's callbacks."""

    def __init__(self, why: str, line: int, hint: str) -> None:
        self.why, self.line, self.hint = why, line, hint
        super().__init__(why)


def lines(path: Path, profile: Profile) -> Generator[Line]:
    """Yield the names of the columns, then the rows, each with the line it starts at.

    Without confirmed ``columns`` the file is read twice: any row may bring another one.

    Raises:
        ConnectorRefused: it is no XML, has no such element, or a row has a column nobody confirmed.
        ConnectorUnavailable: it vanished or the disk failed.
    """
    encoding = encoding_of(profile)
    record = profile.record or found_record(path, encoding)
    names = list(profile.columns) or columns(path, record, encoding)
    known = {name: at for at, name in enumerate(names)}
    yield 1, list(names)
    for line, values in rows(path, record, encoding):
        cells: list[Cell] = [None] * len(names)
        for name, value in values.items():
            if name not in known:
                which = "" if profile.hides else f" {name!r}"
                why = f"a row has a column{which} that profile.columns does not name"
                hint = "if that is meant, change profile.columns and look whether it may be shown"
                raise refused(path, why, line, hint)
            cells[known[name]] = value
        yield line, cells


def encoding_of(profile: Profile) -> str | None:
    """Give the encoding a person named; an XML file names its own otherwise."""
    if "encoding" not in profile.model_fields_set:
        return None
    return "utf-8" if profile.encoding == "utf-8-sig" else profile.encoding


def columns(path: Path, record: str, encoding: str | None = None) -> list[str]:
    """List the columns of all rows as they first appear.

    Raises:
        ConnectorRefused: there is no such element.
    """
    found: dict[str, None] = {}
    for _, values in rows(path, record, encoding):
        found.update(dict.fromkeys(values))
    if not found:
        there = [name for name, _ in repeating(path, encoding)]
        why = f"no element {record!r} with values; repeating ones: {', '.join(there[:10]) or 'none'}"
        raise refused(path, why, hint=did_you_mean(record, there))
    return list(found)


def found_record(path: Path, encoding: str | None = None) -> str:
    """Name the element that is a row.

    Raises:
        ConnectorRefused: none repeats, or several do.
    """
    there = repeating(path, encoding)
    if len(there) == 1:
        return there[0][0]
    listed = ", ".join(f"{name} ({n})" for name, n in there[:10]) or "none"
    raise refused(path, f"which element is a row? Repeating ones: {listed}", hint="set profile.record")


def repeating(path: Path, encoding: str | None = None) -> list[tuple[str, int]]:
    """List the outermost elements that hold others and repeat, by path below the root, the most frequent first."""
    counted: Counter[str] = Counter()
    holding: set[str] = set()
    stack: list[str] = []

    def start(name: str, attributes: dict[str, str], line: int) -> None:
        if stack:
            here = "/".join([*stack[1:], name])
            counted[here] += 1
            if attributes:
                holding.add(here)
            if len(stack) > 1:
                holding.add("/".join(stack[1:]))
        stack.append(name)
        _check_depth(len(stack), line)

    for _ in _parsed(path, encoding, start, stack.pop, lambda _: None):
        pass
    rows = [name for name, n in counted.items() if n > 1 and name in holding]
    outer = [name for name in rows if not any(name.startswith(f"{other}/") for other in rows)]
    return [(name, counted[name]) for name in sorted(outer, key=lambda one: -counted[one])]


def root_of(path: Path) -> str:
    """Name the outermost element."""
    names: list[str] = []
    with suppress(ConnectorError):
        next(_parsed(path, None, lambda name, *_: names.append(name), lambda: None, lambda _: None))
    return names[0] if names else ""


def rows(path: Path, record: str, encoding: str | None = None) -> Iterator[tuple[int, dict[str, Cell]]]:
    """Yield the values of each element that *record* names, by column."""
    reader = _Rows(record.strip("/").split("/"))
    for _ in _parsed(path, encoding, reader.start, reader.end, reader.text):
        yield from reader.done
        reader.done.clear()


class _Rows:
    """Collects one row after the other while the file passes."""

    def __init__(self, wanted: list[str]) -> None:
        self._wanted = wanted
        self._stack: list[_Node] = []
        self._row: _Node | None = None
        self._chars = 0
        self._around: list[dict[str, Cell]] = []
        """What is known of each element that surrounds the place: its attributes, and its values up to here."""
        self.done: list[tuple[int, dict[str, Cell]]] = []

    def start(self, name: str, attributes: dict[str, str], line: int) -> None:
        node = _Node(name, attributes, line)
        if self._stack:
            self._stack[-1].holds = True
            if self._row:
                self._stack[-1].content.append(node)
        self._stack.append(node)
        _check_depth(len(self._stack), line)
        if self._row:
            self._count(50 + sum(map(len, attributes.values())))
        elif name == self._wanted[-1] and self._is_wanted():
            self._row, self._chars = node, 0
        else:
            self._around.append(_attributes(node, ""))

    def _is_wanted(self) -> bool:
        return [one.name for one in self._stack[-len(self._wanted) :]] == self._wanted

    def text(self, data: str) -> None:
        node = self._stack[-1]
        if self._row:
            self._count(len(data))
            node.content.append(data)
        elif not node.holds and len(node.content) < MAX_AROUND:
            node.content.append(data)

    def end(self) -> None:
        node = self._stack.pop()
        if node is self._row:
            self._row = None
            values = _flat(node, "")
            for up, around in enumerate(reversed(self._around), 1):
                values |= {"../" * up + name: value for name, value in around.items()}
            self.done.append((node.line, values))
        elif not self._row:
            self._around.pop()
            value = "" if node.holds else one_line(node.own_text)
            if self._around and value:
                self._around[-1].setdefault(node.name, value)

    def _count(self, chars: int) -> None:
        self._chars += chars
        if self._row and self._chars > MAX_ROW_CHARS:
            raise _Refused("a row is longer than a row can be", self._row.line, "see profile.record")


def _check_depth(depth: int, line: int) -> None:
    if depth > MAX_DEPTH:
        raise _Refused(f"elements lie more than {MAX_DEPTH} deep in each other", line, "")


def _parsed(
    path: Path,
    encoding: str | None,
    start: Callable[[str, dict[str, str], int], object],
    end: Callable[[], object],
    text: Callable[[str], object],
) -> Iterator[None]:
    """Feed the file to the callbacks, part by part."""
    parser = expat.ParserCreate(encoding)
    parser.buffer_text = True

    def refuse(*_: object) -> None:
        line = parser.CurrentLineNumber
        raise _Refused("a document type or an entity of its own", line, "export it without a DTD")

    def opened(name: str, attributes: dict[str, str]) -> None:
        start(_local(name), _plain(attributes) if attributes else attributes, parser.CurrentLineNumber)

    parser.StartElementHandler = opened
    parser.EndElementHandler = lambda _: end()
    parser.CharacterDataHandler = text
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    try:
        with open(path, "rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                parser.Parse(chunk, False)
                yield
            parser.Parse(b"", True)
            yield
    except OSError as error:
        raise unreadable(path, error) from error
    except _Refused as fault:
        raise refused(path, fault.why, fault.line, fault.hint) from None
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise _broken(path, error, parser.CurrentLineNumber) from None


def _broken(path: Path, error: Exception, line: int) -> ConnectorRefused:
    if not isinstance(error, expat.ExpatError):
        return refused(path, "its XML declaration names an encoding that cannot be read", line)
    why = expat.ErrorString(error.code) or "it cannot be read"
    return refused(
        path, f"is no whole XML: {why}", error.lineno, "is it cut off, or not the encoding it names?"
    )


def _local(name: str) -> str:
    """Leave the prefix out: it is an abbreviation of the file's own."""
    return name.rpartition(":")[2]


def _plain(attributes: dict[str, str]) -> dict[str, str]:
    return {_local(name): value for name, value in attributes.items() if not name.startswith("xmlns")}


def _flat(node: _Node, path: str) -> dict[str, Cell]:
    """Give the values of *node* and all below it, by path."""
    prefix = f"{path}/" if path else ""
    found = _attributes(node, prefix)
    children = node.children
    mixed = bool(children and node.own_text.strip())
    if not children or mixed:
        # Text mixed with elements is one text, as its author meant it.
        value = one_line(node.text)
        if path:
            found[path] = None if node.attributes.get("nil") in ("true", "1") else value
        elif value:
            found["."] = value
        if mixed:
            return found
    groups: dict[str, list[_Node]] = {}
    for child in children:
        groups.setdefault(child.name, []).append(child)
    for name, same in groups.items():
        flat = [_flat(child, f"{prefix}{name}") for child in same]
        if len(flat) == 1:
            found |= flat[0]
            continue
        # One place for each of them, so that the second amount still belongs to the second price.
        for column in dict.fromkeys(column for one in flat for column in one):
            found[column] = SEVERAL.join(one.get(column) or "" for one in flat)
    return found


def _attributes(node: _Node, prefix: str) -> dict[str, Cell]:
    return {f"{prefix}@{name}": one_line(value) for name, value in node.attributes.items() if name != "nil"}
