"""Lists what there is of a document before it is erased, and looks for it afterwards.

What another document has too stays, so it proves nothing: each string that could be looked for is first looked for
in everything that is to stay (other documents' files, texts, names; what people wrote themselves), and only those
met nowhere else are marks. Bodies of parsed documents are compressed, hence looked for twice: their bytes as stored,
and the text in every body unpacked.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Engine, exists, or_, select

from kbm.domain.erasure import HeldBy, Mark, Residue
from kbm.domain.identity import ChunkId, ContentHash, Digest, DocumentId, VersionId, document_id
from kbm.domain.internal import is_internal
from kbm.domain.releases import ReleaseContent
from kbm.store.journal_schema import answer, feedback, imported_question
from kbm.store.residue import MarkSearch, files_below, usable
from kbm.store.schema import (
    chunk,
    document,
    document_content,
    document_version,
    golden_question,
    membership,
    parsed,
    release,
)
from kbm.store.suggestion_mentions import written_from

T = TypeVar("T")

WORK_FOLDER = "erasing"
"""Below the data folder: what an unfinished erasure has to find. The one place the search leaves out."""

_TEXT_CHARS = 40
_BYTES = 48
_TEXTS, _PARTS, _ID_CHUNKS = 400, 100, 300
"""Marks of each kind at most; a copy of a document shows many of them."""


class Tracing:
    """Everything of a data folder that can hold a copy: both databases and all files."""

    def __init__(self, folder: Path, catalogue: Engine, journal: Engine) -> None:
        self._folder, self._catalogue, self._journal = folder, catalogue, journal

    def family(self, no: int) -> tuple[int, ...]:
        """Give the numbers of a document, of the attachments it came with, and of what was written here from them."""
        query = select(document.c.no, document.c.id).where(
            or_(document.c.no == no, document.c.parent_no == no)
        )
        with self._catalogue.connect() as connection:
            rows = connection.execute(query.order_by(document.c.no)).all()
            numbers = [row.no for row in rows]
            written = written_from(connection, {DocumentId(row.id) for row in rows})
            here = select(document.c.no).where(
                document.c.id.in_([document_id(source, item_id) for source, item_id in written])
            )
            return tuple(dict.fromkeys((*numbers, *sorted(connection.scalars(here)))))

    def items(self, numbers: Collection[int]) -> tuple[tuple[str, str], ...]:
        """Give source and item id of documents."""
        query = select(document.c.source, document.c.item_id).where(document.c.no.in_(numbers))
        with self._catalogue.connect() as connection:
            return tuple(
                (row.source, row.item_id) for row in connection.execute(query.order_by(document.c.no))
            )

    def versions(self, numbers: Collection[int]) -> tuple[VersionId, ...]:
        """Give the versions of documents."""
        query = select(document_version.c.id).where(document_version.c.document_no.in_(numbers))
        with self._catalogue.connect() as connection:
            return tuple(VersionId(id) for id in connection.scalars(query.order_by(document_version.c.id)))

    def held_by(self, versions: Collection[VersionId]) -> tuple[HeldBy, ...]:
        """List the releases that hold one of these versions."""
        holds = exists().where(
            membership.c.gpt == release.c.gpt,
            membership.c.version_id.in_(versions),
            membership.c.from_seq <= release.c.seq,
            or_(membership.c.to_seq.is_(None), membership.c.to_seq >= release.c.seq),
        )
        known = release.c.content != ReleaseContent.PURGED
        query = select(release).where(holds, known).order_by(release.c.gpt, release.c.seq)
        with self._catalogue.connect() as connection:
            return tuple(
                HeldBy(gpt=row.gpt, seq=row.seq, version=row.version, digest=Digest(row.digest))
                for row in connection.execute(query)
            )

    def chunks(self, versions: Collection[VersionId]) -> tuple[ChunkId, ...]:
        """Give the passages of versions, by any chunker."""
        query = select(chunk.c.id).where(chunk.c.version_id.in_(versions)).order_by(chunk.c.id)
        with self._catalogue.connect() as connection:
            return tuple(ChunkId(id) for id in connection.scalars(query))

    def own_texts(self, versions: Collection[VersionId]) -> dict[ChunkId, str]:
        """Give the indexed text of the passages that no other document has word for word."""
        with self._catalogue.connect() as connection:
            mine = {
                ChunkId(row.id): (row.prefix, row.text)
                for row in connection.execute(select(chunk).where(chunk.c.version_id.in_(versions)))
            }
            texts = sorted({text for _, text in mine.values()})
            shared: set[tuple[str, str]] = set()
            for start in range(0, len(texts), _TEXTS):
                query = select(chunk.c.prefix, chunk.c.text).where(
                    chunk.c.text.in_(texts[start : start + _TEXTS]), chunk.c.version_id.not_in(versions)
                )
                shared.update((row.prefix, row.text) for row in connection.execute(query))
        return {
            id: f"{prefix}\n{text}" if prefix else text
            for id, (prefix, text) in mine.items()
            if (prefix, text) not in shared
        }

    def own_contents(self, numbers: Collection[int]) -> tuple[ContentHash, ...]:
        """Give the contents stored of documents that no other document has."""
        other = document_content.alias()
        shared = exists().where(
            other.c.content == document_content.c.content, other.c.document_no.not_in(numbers)
        )
        query = (
            select(document_content.c.content)
            .distinct()
            .where(document_content.c.document_no.in_(numbers), ~shared)
        )
        with self._catalogue.connect() as connection:
            return tuple(sorted(ContentHash(content) for content in connection.scalars(query)))

    def names(self, numbers: Collection[int]) -> tuple[str, ...]:
        """Give what documents were ever called: items, titles, addresses."""
        found: set[str] = set()
        with self._catalogue.connect() as connection:
            for row in connection.execute(select(document).where(document.c.no.in_(numbers))):
                # What was written here bears the id of a suggestion: decisions name it for ever.
                found |= {row.title, row.url, *(() if is_internal(row.source) else (row.item_id,))}
            for row in connection.execute(
                select(document_version).where(document_version.c.document_no.in_(numbers))
            ):
                found |= {row.title, row.url}
        return tuple(sorted(found - {""}))

    def marks(
        self,
        *,
        numbers: Collection[int],
        versions: Sequence[VersionId],
        chunks: Sequence[ChunkId],
        contents: Sequence[ContentHash],
        names: Sequence[str],
        vectors: Sequence[bytes],
        raw: Callable[[ContentHash], bytes | None],
    ) -> dict[Mark, tuple[bytes, ...]]:
        """Choose what to look for: strings that only a copy of these documents shows."""
        texts, bodies = self._own_bodies(contents)
        windows = _evenly([one for text in texts for one in _windows(text)], _TEXTS)
        ids = [*self._document_ids(numbers), *versions, *contents, *_evenly(chunks, _ID_CHUNKS)]
        candidates: dict[Mark, list[bytes]] = {
            Mark.TEXT: [_utf8(one) for one in windows],
            Mark.TEXT_UTF16: [one.encode("utf-16-le", "surrogatepass") for one in windows],
            Mark.PARSED: _slices(bodies),
            Mark.RAW: _slices([data for one in contents if (data := raw(one)) is not None]),
            Mark.VECTORS: _slices(vectors),
            Mark.IDS: [id.encode() for id in ids] + [bytes.fromhex(id) for id in ids],
            Mark.NAMES: [_utf8(name) for name in names],
        }
        listed = [(kind, one) for kind, of in candidates.items() for one in dict.fromkeys(of) if usable(one)]
        search = MarkSearch([one for _, one in listed])
        shared: set[int] = set()
        for data in self._staying(numbers, contents):
            shared |= search.find(data)
        own: dict[Mark, list[bytes]] = {kind: [] for kind in candidates}
        for at, (kind, one) in enumerate(listed):
            if at not in shared:
                own[kind].append(one)
        return {kind: tuple(of) for kind, of in own.items()}

    def look_for(self, marks: Mapping[Mark, Sequence[bytes]]) -> Residue:
        """Search every file of the data folder, its name, and every parsed body unpacked."""
        listed = [(kind, one) for kind, of in marks.items() for one in of]
        search = MarkSearch([one for _, one in listed])
        met: set[int] = set()
        places: list[str] = []
        n_files = n_bytes = 0
        for path in files_below(self._folder, skip=[self._folder / WORK_FOLDER]):
            name = str(path.relative_to(self._folder))
            found, n = search.find_in_file(path)
            found |= search.find(_utf8(name))
            n_files, n_bytes, met = n_files + 1, n_bytes + n, met | found
            places += [name] if found else []
        unpacked = {
            at for _, text in self._bodies() for at in search.find(text) if listed[at][0] is Mark.TEXT
        }
        places += ["catalogue.db, parsed bodies"] if unpacked else []
        counts = {kind: sum(listed[at][0] is kind for at in met) for kind in Mark}
        counts[Mark.UNPACKED] = len(unpacked)
        return Residue(found=counts, places=tuple(places), n_files=n_files, n_bytes=n_bytes)

    def drop_reports(self, marks: Mapping[Mark, Sequence[bytes]]) -> int:
        """Remove the reports that show a mark, such as a name; returns how many."""
        search = MarkSearch([one for of in marks.values() for one in of])
        n = 0
        for path in files_below(self._folder / "reports"):
            if search.find_in_file(path)[0]:
                path.unlink()
                n += 1
        return n

    # -- what is there ---------------------------------------------------------------------------------------

    def _document_ids(self, numbers: Collection[int]) -> list[str]:
        with self._catalogue.connect() as connection:
            return list(connection.scalars(select(document.c.id).where(document.c.no.in_(numbers))))

    def _own_bodies(self, contents: Collection[ContentHash]) -> tuple[list[str], list[bytes]]:
        """Give the element texts and the stored bodies of contents."""
        texts, bodies = [], []
        query = select(parsed.c.body).where(parsed.c.content.in_(contents), parsed.c.body.is_not(None))
        with self._catalogue.connect() as connection:
            for body in connection.scalars(query):
                stored = json.loads(zlib.decompress(body).decode("utf-8", "surrogatepass"))
                texts += [element[1] for element in stored["elements"]]
                bodies.append(body)
        return texts, bodies

    def _bodies(self, without: Collection[ContentHash] = ()) -> Iterator[tuple[bytes, bytes]]:
        """Give all parsed bodies, as stored and unpacked."""
        query = select(parsed.c.body).where(parsed.c.body.is_not(None), parsed.c.content.not_in(without))
        with self._catalogue.connect() as connection:
            for body in connection.execution_options(yield_per=100).scalars(query):
                yield body, zlib.decompress(body)

    def _staying(self, numbers: Collection[int], contents: Collection[ContentHash]) -> Iterator[bytes]:
        """Give everything that stays and could show the same words: it is no copy."""
        for body, text in self._bodies(contents):
            yield body
            yield text
        others = document.c.no.not_in(numbers)
        described = document_version.c.document_no.not_in(numbers)
        for query in (
            select(document.c.item_id, document.c.title, document.c.url, document.c.author).where(others),
            select(document_version.c.title, document_version.c.url, document_version.c.author).where(
                described
            ),
            select(
                golden_question.c.question,
                golden_question.c.must_contain,
                golden_question.c.must_not_contain,
            ),
        ):
            yield from _rows(self._catalogue, query)
        yield from _rows(self._journal, select(answer.c.question))
        yield from _rows(self._journal, select(imported_question.c.question))
        yield from _rows(self._journal, select(feedback.c.comment))
        own = set(contents)
        for path in files_below(self._folder / "raw"):
            if path.name not in own and not path.name.startswith("."):
                yield path.read_bytes()


def _rows(engine: Engine, query: Any) -> Iterator[bytes]:
    """Give the texts of rows; Any is SQLAlchemy's own."""
    with engine.connect() as connection:
        for row in connection.execution_options(yield_per=500).execute(query):
            yield _utf8("\n".join(value for value in row if value))


def _windows(text: str) -> Iterator[str]:
    """Cut a text into windows that read the same in JSON: no quotes, no line breaks, nothing escaped."""
    for line in text.splitlines():
        for part in line.replace("\\", '"').split('"'):
            for start in range(0, len(part), _TEXT_CHARS):
                yield part[start : start + _TEXT_CHARS].strip()


def _slices(many: Sequence[bytes]) -> list[bytes]:
    """Cut byte strings into pieces and choose some: a copy may lie across the pages of a database."""
    return list(
        _evenly([data[at : at + _BYTES] for data in many for at in range(0, len(data), _BYTES)], _PARTS * 2)
    )


def _evenly(values: Sequence[T], n: int) -> Sequence[T]:
    """Choose at most *n* values, spread over all."""
    return values if len(values) <= n else [values[at * len(values) // n] for at in range(n)]


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
