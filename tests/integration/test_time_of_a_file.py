"""When a document was modified: what its bytes bear, where the listing knows the time of the upload alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from kbm.domain.documents import Blob
from kbm.domain.identity import document_id
from kbm.domain.sync import Ref
from kbm.testing.builders import kbm_over
from kbm.testing.fakes import FakeConnector, NoProgress

UPLOADED, WRITTEN = datetime(2026, 11, 24, tzinfo=UTC), datetime(2020, 9, 13, tzinfo=UTC)


class Copied(FakeConnector):
    """Files that a tool copied here; it noted the time of one of them."""

    def fetch(self, ref: Ref) -> Blob:
        blob = super().fetch(ref)
        return replace(blob, modified=WRITTEN) if ref.id == "noted.txt" else blob


def test_the_time_that_came_with_the_bytes_counts(tmp_path: Path) -> None:
    items = {"noted.txt": "Machine one weighs two tons.", "plain.txt": "Machine two weighs three tons."}
    with kbm_over(tmp_path, Copied(items=items, modified=dict.fromkeys(items, UPLOADED))) as kbm:
        kbm.sync.run(kbm.source_to_sync("docs"), NoProgress())
        stored = [kbm.catalogue.documents.document(document_id("docs", id)) for id in items]

    assert [one and one.modified for one in stored] == [WRITTEN, UPLOADED]
