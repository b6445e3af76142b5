"""Takes the content of purged releases out of the catalogue.

Nothing is counted: what may go is what no remaining release and no present document leads to, found out anew each
time. So a run that was killed is simply run again, and content shared by two releases or two GPTs stays until both
are done with it. Only the holder of the lease calls this, hence no build is under way that could want what goes.
Every transaction takes at most some hundred rows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import TypeVar

from sqlalchemy import ColumnElement, Engine, delete, exists, func, literal_column, select, update

from kbm.domain.identity import ContentHash, Digest, VectorKey, VersionId, vector_key
from kbm.domain.releases import ReleaseContent
from kbm.faults import fault_point
from kbm.ports import Clock
from kbm.store.engine import empty_free_pages, iso, writing
from kbm.store.schema import (
    chunk,
    chunked,
    document,
    document_content,
    document_version,
    membership,
    parsed,
    pointer,
    release,
)
from kbm.store.texts import attachments_of

_T = TypeVar("_T")

_SLICE = 200
_CHUNKS = 1_000
"""Chunks hold the most text, so they go in slices of their own."""

_FREE_SHARE = 0.25
"""Share of free pages from which on a database is made smaller."""
_FREE_PAGES = 1_000
"""Fewer are not worth it: four megabytes."""


class Retention:
    """The catalogue's part about what is kept how long."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._reads, self._writes, self._clock = engine, writing(engine), clock

    def pointed(self, gpt: str) -> dict[str, int]:
        """Give the releases that pointers of a GPT point to, by the pointer's name."""
        query = select(pointer.c.name, pointer.c.seq).where(pointer.c.gpt == gpt)
        with self._reads.connect() as connection:
            return {name: int(seq) for name, seq in connection.execute(query)}

    def set_content(self, gpt: str, seq: int, content: ReleaseContent) -> datetime:
        """Say what is there of a release from now on."""
        now = self._clock.now()
        with self._writes.begin() as connection:
            connection.execute(
                update(release)
                .where(release.c.gpt == gpt, release.c.seq == seq)
                .values(content=content, content_at=iso(now))
            )
        return now

    def purge(self) -> int:
        """Delete the passages that only purged releases held; gives how many document versions went."""
        self._drop_members()
        gone = self._unneeded_versions()
        for some in _slices(gone):
            self._drop_versions(some)
        return len(gone)

    def _drop_members(self) -> None:
        """Delete the membership of purged releases; a row that a remaining one needs stays as it is."""
        holds = exists().where(
            release.c.gpt == membership.c.gpt,
            release.c.seq >= membership.c.from_seq,
            release.c.seq <= membership.c.to_seq,
            release.c.content != ReleaseContent.PURGED,
        )
        rowid: ColumnElement[int] = literal_column("membership.rowid")
        query = select(rowid).select_from(membership)
        with self._reads.connect() as connection:
            rows = connection.scalars(query.where(membership.c.to_seq.is_not(None), ~holds)).all()
        for some in _slices(rows):
            with fault_point("compact.purge"), self._writes.begin() as connection:
                connection.execute(delete(membership).where(rowid.in_(some)))

    def _unneeded_versions(self) -> list[VersionId]:
        current = select(document.c.version_id).where(
            document.c.present == 1, document.c.version_id.is_not(None)
        )
        query = select(document_version.c.id).where(
            document_version.c.id.not_in(select(membership.c.version_id).distinct()),
            document_version.c.id.not_in(current),
        )
        with self._reads.connect() as connection:
            return [VersionId(id) for id in connection.scalars(query)]

    def _drop_versions(self, versions: Sequence[VersionId]) -> None:
        with fault_point("compact.purge"), self._writes.begin() as connection:
            # First of all: a version that came back meanwhile must not count as cut while its chunks go.
            connection.execute(delete(chunked).where(chunked.c.version_id.in_(versions)))
        some = select(chunk.c.id).where(chunk.c.version_id.in_(versions)).limit(_CHUNKS)
        left = _CHUNKS
        while left == _CHUNKS:
            with fault_point("compact.purge"), self._writes.begin() as connection:
                left = connection.execute(delete(chunk).where(chunk.c.id.in_(some))).rowcount
        with fault_point("compact.purge"), self._writes.begin() as connection:
            connection.execute(
                update(document).where(document.c.version_id.in_(versions)).values(version_id=None)
            )
            connection.execute(delete(document_version).where(document_version.c.id.in_(versions)))

    # -- contents --------------------------------------------------------------------------------------------

    def purge_contents(self) -> set[ContentHash]:
        """Delete parsed bodies, and the notes of who had which content, that nothing needs; gives what is needed."""
        needed = self._needed_contents()
        with self._reads.connect() as connection:
            stored = set(connection.scalars(select(parsed.c.content).distinct()))
            stored |= set(connection.scalars(select(document_content.c.content).distinct()))
        for some in _slices(sorted(stored - needed)):
            with fault_point("compact.purge"), self._writes.begin() as connection:
                connection.execute(delete(parsed).where(parsed.c.content.in_(some)))
                connection.execute(delete(document_content).where(document_content.c.content.in_(some)))
        return needed

    def _needed_contents(self) -> set[ContentHash]:
        """Give the contents of all versions and present quarantined documents, with what lies inside them."""
        in_quarantine = (
            select(document_content.c.content)
            .join(document, document.c.no == document_content.c.document_no)
            .where(document.c.present == 1, document.c.reason.is_not(None))
        )
        with self._reads.connect() as connection:
            needed = set(connection.scalars(select(document_version.c.content).distinct()))
            needed |= set(connection.scalars(in_quarantine))
        needed |= self._enclosed(needed)
        return {ContentHash(one) for one in needed}

    def _enclosed(self, contents: Collection[str]) -> set[str]:
        """Give what lies in mails: a mail read from the store again needs its attachments there."""
        mails = select(document.c.parent_no).distinct().where(document.c.parent_no.is_not(None))
        query = (
            select(parsed.c.content, parsed.c.body)
            .join(document_content, document_content.c.content == parsed.c.content)
            .join(document, document.c.no == document_content.c.document_no)
            .where(document.c.no.in_(mails) | document.c.parent_no.is_not(None), parsed.c.body.is_not(None))
        )
        found: set[str] = set()
        with self._reads.connect() as connection:
            for content, body in connection.execute(query):
                if content in contents:
                    found.update(attachments_of(body))
        return found

    # -- vectors ---------------------------------------------------------------------------------------------

    def n_chunks(self) -> int:
        """Count the stored chunks."""
        with self._reads.connect() as connection:
            return connection.scalar(select(func.count()).select_from(chunk)) or 0

    def vector_keys(self, embedder_digests: Collection[Digest]) -> dict[Digest, set[VectorKey]]:
        """Give the keys of the vectors that stored chunks have under these embedders."""
        found: dict[Digest, set[VectorKey]] = {digest: set() for digest in embedder_digests}
        with self._reads.connect() as connection:
            for prefix, words in connection.execute(select(chunk.c.prefix, chunk.c.text)):
                for digest, keys in found.items():
                    keys.add(vector_key(f"{prefix}\n{words}" if prefix else words, digest))
        return found

    # -- room ------------------------------------------------------------------------------------------------

    def has_free_pages(self) -> bool:
        """Tell whether a quarter of the database's pages are free."""
        with self._reads.connect() as connection:
            free = int(connection.exec_driver_sql("PRAGMA freelist_count").scalar_one())
            pages = int(connection.exec_driver_sql("PRAGMA page_count").scalar_one())
        return free >= _FREE_PAGES and free >= _FREE_SHARE * pages

    def give_back_pages(self) -> None:
        """Make the database file as small as what it holds.

        Raises:
            Busy: somebody kept reading its log for seconds; it is made smaller the next time.
        """
        with fault_point("compact.vacuum"):
            empty_free_pages(self._reads)


def _slices(items: Sequence[_T]) -> Iterator[Sequence[_T]]:
    for start in range(0, len(items), _SLICE):
        yield items[start : start + _SLICE]
