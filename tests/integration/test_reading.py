"""How a document is read: twice where pages are pictures, and with what it was like stored beside its text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from kbm.bootstrap import Kbm
from kbm.domain.documents import Blob, Element, ElementKind, ParsedDocument, Reason
from kbm.domain.identity import Digest, digest
from kbm.domain.parse_quality import Quality
from kbm.errors import ParseFailed
from kbm.services.sync import SyncResult
from kbm.testing.builders import kbm_over
from kbm.testing.fakes import FakeConnector, NoProgress


@dataclass
class Readers:
    """A parser of texts, and a recogniser of scans: documents named so hold only, or also, pages of pictures."""

    version: str = "1"
    installed: bool = True
    parsed: list[str] = field(default_factory=list)

    def digests(self) -> frozenset[Digest]:
        return frozenset({digest("text"), self._scan()})

    def digest_for(self, blob: Blob, *, recognise: bool = False) -> Digest:
        return self._scan() if recognise else digest("text")

    def parse(self, blob: Blob, *, recognise: bool = False) -> ParsedDocument:
        self.parsed.append(f"{'scan' if recognise else 'text'} {blob.name}")
        if recognise and not self.installed:
            raise ParseFailed(Reason.NEEDS_TESSERACT, "install it")
        if blob.name == "scan.txt" and not recognise:
            raise ParseFailed(Reason.NO_TEXT, "only pictures")
        text = f"{blob.data.decode()} read by {self.version if recognise else 'eye'}."
        empty = 1 if blob.name == "half.txt" and not recognise else 0
        return ParsedDocument(
            elements=(Element(kind=ElementKind.TEXT, text=text, page=1),),
            warnings=("one page is a picture",) if empty else (),
            quality=Quality(
                n_pages=2, n_empty_pages=empty, recognised_pages=(2,) if recognise else (), n_chars=len(text)
            ),
        )

    def _scan(self) -> Digest:
        return digest("scan", self.version, str(self.installed))


@pytest.fixture
def kbm(tmp_path: Path) -> Iterator[Kbm]:
    items = {"plain.txt": "Plain words.", "half.txt": "Half of it.", "scan.txt": "All of it."}
    with kbm_over(tmp_path, FakeConnector(items=items)) as opened:
        yield opened


def sync(kbm: Kbm, readers: Readers) -> SyncResult:
    readers.parsed.clear()
    return replace(kbm.sync, parsing=readers).run(kbm.source_to_sync("docs"), NoProgress())


def digests(kbm: Kbm) -> dict[str, Digest]:
    return {one.item_id: one.parser_digest for one in kbm.catalogue.documents.current_versions(["docs"])}


def quality(kbm: Kbm, item_id: str) -> Quality:
    [one] = [one for one in kbm.catalogue.documents.current_versions(["docs"]) if one.item_id == item_id]
    record = kbm.catalogue.texts.parsed(one.content, one.parser_digest)
    assert record is not None
    return record.quality


def test_pages_that_are_pictures_are_read_a_second_time(kbm: Kbm) -> None:
    readers = Readers()

    assert sync(kbm, readers).quarantined == ()
    assert readers.parsed == [
        "text half.txt",
        "scan half.txt",
        "text plain.txt",
        "text scan.txt",
        "scan scan.txt",
    ]
    assert quality(kbm, "scan.txt").recognised_pages == (2,)
    assert kbm.catalogue.texts.poorly_read() == []


def test_an_unchanged_scan_is_not_read_again(kbm: Kbm) -> None:
    readers = Readers()
    sync(kbm, readers)

    sync(kbm, readers)

    assert readers.parsed == []


def test_another_recogniser_makes_new_versions_of_scans_alone(kbm: Kbm) -> None:
    sync(kbm, Readers())
    before = digests(kbm)
    newer = Readers(version="2")

    result = sync(kbm, newer)
    after = digests(kbm)

    assert result.n_reparsed == 2
    assert newer.parsed == ["scan half.txt", "scan scan.txt"]
    assert {id for id in before if before[id] != after[id]} == {"half.txt", "scan.txt"}


def test_without_a_recogniser_a_scan_waits_and_a_half_is_read_poorly_until_there_is_one(kbm: Kbm) -> None:
    result = sync(kbm, Readers(installed=False))
    [poor] = kbm.catalogue.texts.poorly_read()
    [source] = kbm.catalogue.documents.sources()

    assert result.quarantined == (("scan.txt", Reason.NEEDS_TESSERACT),)
    assert (poor.item_id, poor.quality.poor) == ("half.txt", ("pages_without_text",))
    assert poor.warnings == ("one page is a picture",)
    assert (source.n_documents, source.n_quarantined, source.n_poorly_read) == (3, 1, 1)

    sync(kbm, Readers(installed=True))

    assert kbm.catalogue.texts.poorly_read() == []
    assert quality(kbm, "half.txt").recognised_pages == (2,)
