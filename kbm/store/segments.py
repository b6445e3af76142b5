"""Which sealed index files exist: what is not recorded here is litter."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict

from sqlalchemy import Engine, delete, insert, select

from kbm.domain.identity import Digest
from kbm.domain.retrieval import SegmentRecord
from kbm.faults import fault_point
from kbm.store.schema import segment


class Segments:
    """The part of :class:`~kbm.store.releases.Releases` about segments."""

    _reads: Engine
    _writes: Engine

    def segments(self, gpt: str, spec: Digest) -> list[SegmentRecord]:
        """List the sealed segments of a GPT and index spec, by first row."""
        query = (
            select(segment)
            .where(segment.c.gpt == gpt, segment.c.spec_digest == spec)
            .order_by(segment.c.first_row)
        )
        with self._reads.connect() as connection:
            return [
                SegmentRecord(name=row.name, first_row=row.first_row, n_rows=row.n_rows, blake2b=row.blake2b)
                for row in connection.execute(query)
            ]

    def add_segments(self, gpt: str, spec: Digest, records: Collection[SegmentRecord]) -> None:
        """Make sealed files known: from now on they are no litter."""
        with self._writes.begin() as connection:
            for record in records:
                connection.execute(insert(segment).values(gpt=gpt, spec_digest=spec, **asdict(record)))

    def replace_segments(
        self, gpt: str, spec: Digest, gone: Collection[SegmentRecord], made: Collection[SegmentRecord]
    ) -> None:
        """Let *made* take the place of *gone*, in one transaction: the moment a merge or an erasure counts."""
        names = [record.name for record in gone]
        with fault_point("merge.commit"), self._writes.begin() as connection:
            connection.execute(
                delete(segment).where(
                    segment.c.gpt == gpt, segment.c.spec_digest == spec, segment.c.name.in_(names)
                )
            )
            for record in made:
                connection.execute(insert(segment).values(gpt=gpt, spec_digest=spec, **asdict(record)))

    def forget_segments(self, gpt: str, spec: Digest) -> None:
        """Make the segments of a spec unknown, before they are all written anew."""
        with self._writes.begin() as connection:
            connection.execute(delete(segment).where(segment.c.gpt == gpt, segment.c.spec_digest == spec))
