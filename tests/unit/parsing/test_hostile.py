"""What hostile documents must not do, with the parsers that are installed: the parent stays small, each document
ends within its limit, nothing is written outside, nothing is reached.
"""

from __future__ import annotations

import io
import os
import socket
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import pytest

from kbm import registry
from kbm.domain.documents import Blob, ParsedDocument, Reason
from kbm.errors import ParseFailed
from kbm.parsing.limits import MEGABYTE, Limits
from kbm.parsing.pool import ParsingPool
from kbm.ports import Parser
from tests.unit.parsing.files import blob, texts, with_part, word, workbook
from tests.unit.parsing.open_files import epub, odf, outlook, zipped
from tests.unit.parsing.stubborn import StubbornParser

LIMITS = Limits(wall_s=30.0, cpu_s=30.0, memory_bytes=1024 * MEGABYTE, processes=16)
SHORT = Limits(wall_s=1.5, cpu_s=20.0, memory_bytes=256 * MEGABYTE, processes=8)
LAUGHS = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;">]>'
OUTSIDE = '<!DOCTYPE x [<!ENTITY secret SYSTEM "file:///etc/passwd">]>'


@pytest.fixture(scope="module")
def pool() -> Iterator[ParsingPool]:
    parsers = {
        name: cast(Parser, registry.load("kbm.parsers", name)()) for name in registry.names("kbm.parsers")
    }
    with ParsingPool({**parsers, "stubborn": StubbornParser()}, LIMITS) as opened:
        yield opened


@pytest.fixture
def short() -> Iterator[ParsingPool]:
    with ParsingPool({"stubborn": StubbornParser()}, SHORT) as opened:
        # Starting the worker is no document's own time.
        opened.parse(stubborn("say warm"))
        yield opened


def inflated(name: str, around: Callable[[str, bytes], bytes]) -> bytes:
    return around(name, b"<x>" + b" " * (104 * MEGABYTE) + b"</x>")


def in_odf(name: str, content: bytes) -> bytes:
    return with_part(odf("<text:p>x</text:p>"), name, content)


def stubborn(command: str) -> Blob:
    return blob(command, media_type="application/vnd.kbm.stubborn")


HOSTILE: dict[str, tuple[Callable[[], Blob], Reason]] = {
    "bomb in docx": (
        lambda: blob(inflated("word/document.xml", lambda n, c: with_part(word(), n, c)), "a.docx"),
        Reason.BOMB,
    ),
    "bomb in odt": (lambda: blob(inflated("content.xml", in_odf), "a.odt"), Reason.BOMB),
    "bomb in epub": (
        lambda: blob(
            inflated("OPS/x.xhtml", lambda n, c: epub([("x.xhtml", "<p>x</p>")], extra={n: c})), "a.epub"
        ),
        Reason.BOMB,
    ),
    "entities in odt": (
        lambda: blob(in_odf("content.xml", f"{LAUGHS}<x>&c;</x>".encode()), "a.odt"),
        Reason.BOMB,
    ),
    "entities in epub": (
        lambda: blob(
            epub([("x.xhtml", "")], extra={"OPS/x.xhtml": f"{OUTSIDE}<html>&secret;</html>"}), "a.epub"
        ),
        Reason.BOMB,
    ),
}


def _parent_bytes() -> int:
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_document_is_refused_while_the_parent_stays_small(pool: ParsingPool, name: str) -> None:
    make, reason = HOSTILE[name]

    assert _refused(pool, make(), LIMITS.wall_s + 2) == reason


@pytest.mark.parametrize(
    ("command", "reasons"),
    [
        ("sleep 60", {Reason.TIMEOUT}),
        ("fork", {Reason.CRASHED, Reason.TIMEOUT}),
        ("hog", {Reason.OUT_OF_MEMORY}),
        ("map 400", {Reason.OUT_OF_MEMORY, Reason.TIMEOUT}),
        ("many 600000000", {Reason.OUT_OF_MEMORY, Reason.TOO_LARGE, Reason.TIMEOUT}),
    ],
)
def test_a_parser_that_runs_wild_is_ended_while_the_parent_stays_small(
    short: ParsingPool, command: str, reasons: set[Reason]
) -> None:
    assert _refused(short, stubborn(command), SHORT.wall_s + 2) in reasons


def _refused(pool: ParsingPool, document: Blob, allowed_s: float) -> str:
    """Give the reason, having looked at the time it took and at the memory of this process meanwhile."""
    before, peak, done = _parent_bytes(), [0], threading.Event()

    def watch() -> None:
        while not done.wait(0.02):
            peak[0] = max(peak[0], _parent_bytes())

    watcher = threading.Thread(target=watch)
    watcher.start()
    start = time.monotonic()
    try:
        with pytest.raises(ParseFailed) as caught:
            pool.parse(document)
    finally:
        took = time.monotonic() - start
        done.set()
        watcher.join()

    assert peak[0] - before < 100 * MEGABYTE
    assert took < allowed_s
    return caught.value.reason


def with_names(data: bytes) -> bytes:
    """Add members whose names lead out of any folder."""
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(target, "w") as copied:
        for member in source.infolist():
            copied.writestr(member.filename, source.read(member))
        for name in ("../../../../tmp/kbm-escaped", "/tmp/kbm-escaped", "..\\..\\kbm-escaped"):  # noqa: S108
            copied.writestr(name, "escaped")
    return target.getvalue()


def test_names_that_lead_out_of_an_archive_write_nothing(pool: ParsingPool, tmp_path: Path) -> None:
    honest = {
        "a.docx": word(lambda document: document.add_paragraph("Text.")),
        "a.xlsx": workbook(lambda sheet: sheet.append(["a", "b", "c"])),
        "a.odt": odf("<text:p>Text.</text:p>"),
        "a.epub": epub([("a.xhtml", "<p>Text.</p>")]),
    }
    for name, data in honest.items():
        assert texts(pool.parse(blob(with_names(data), name)))
    mail = outlook({0x0037: "S", 0x1000: "x"}, [{0x3707: "../../../tmp/kbm-escaped", 0x3701: b"y" * 9}])
    (attached,) = pool.parse(blob(mail, "a.msg")).attachments

    assert "/" not in attached.name
    assert not [path for path in (Path("/tmp"), tmp_path, Path.cwd()) for path in path.glob("*kbm-escaped*")]  # noqa: S108


def test_files_beside_the_document_are_not_read_into_it(pool: ParsingPool, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("the secret of this machine")
    page = f'<iframe src="{secret.as_uri()}"></iframe><img src="{secret.as_uri()}" alt="x"><p>Text.</p>'
    book = epub([("a.xhtml", f'<object data="{secret.as_uri()}"></object><p>Text.</p>')])
    rich = rf"{{\rtf1{{\field{{\*\fldinst INCLUDETEXT {secret}}}{{\fldrslt }}}}\pard Text.\par}}"

    for name, data in (("a.html", page.encode()), ("a.epub", book), ("a.rtf", rich.encode())):
        parsed: ParsedDocument = pool.parse(blob(data, name))
        assert texts(parsed) == ["Text."]


def test_archives_in_archives_are_not_followed(pool: ParsingPool) -> None:
    data = zipped({"a.txt": "Text."})
    for _ in range(5):
        data = zipped({"inner.zip": data})
    with pytest.raises(ParseFailed) as caught:
        pool.parse(blob(data, "a.zip"))
    assert caught.value.reason == Reason.UNSUPPORTED


def test_a_program_that_a_parser_starts_has_no_network(pool: ParsingPool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.3)
        said = texts(pool.parse(stubborn(f"dial {server.getsockname()[1]}")))[0]

        assert "Permission" in said
        with pytest.raises(TimeoutError):
            server.accept()
