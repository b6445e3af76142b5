"""Parsers that start programs: what happens without them, and what their versions do to the digest."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kbm.domain.documents import Blob, Reason
from kbm.errors import ParseFailed
from kbm.parsing import media_types, tools
from kbm.parsing.legacy import LegacyParser
from kbm.parsing.limits import Limits
from kbm.parsing.pdf import PdfParser
from kbm.parsing.pool import ParsingPool
from kbm.parsing.scans import ScanParser
from kbm.ports import Parser
from tests.unit.parsing.files import Put, blob, pdf
from tests.unit.parsing.open_files import compound, picture_of, pretended, scanned

LETTER = blob(compound({"WordDocument": bytes(4096)}), "brief.doc")
PARSERS: dict[str, Parser] = {"legacy": LegacyParser(), "scan": ScanParser(), "pdf": PdfParser()}


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a folder that is the whole search path, with data of one language beside it."""
    data = tmp_path / "tessdata"
    data.mkdir()
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("TESSDATA_PREFIX", str(data))
    return folder


def reason(document: Blob, *, recognise: bool = False) -> ParseFailed:
    with ParsingPool(PARSERS) as pool, pytest.raises(ParseFailed) as caught:
        pool.parse(document, recognise=recognise)
    return caught.value


def test_without_libreoffice_the_reason_says_what_to_install(programs: Path) -> None:
    failed = reason(LETTER)

    assert failed.reason == Reason.NEEDS_LIBREOFFICE
    assert "libreoffice-writer-nogui" in str(failed)
    assert "--retry" in str(failed)
    assert os.listdir(programs) == []


@pytest.mark.usefixtures("programs")
def test_without_tesseract_the_reason_says_what_to_install() -> None:
    for document, recognise in (
        (blob(picture_of(["Text"]), "a.png"), False),
        (blob(scanned(["Text"])), True),
    ):
        failed = reason(document, recognise=recognise)

        assert failed.reason == Reason.NEEDS_TESSERACT
        assert "tesseract-ocr-deu" in str(failed)


def test_a_program_is_not_started_to_name_the_digest(programs: Path) -> None:
    mark = programs.parent / "started"
    for name in ("soffice", "tesseract"):
        pretended(programs, name, f"touch {mark}")
    with ParsingPool(PARSERS) as pool:
        assert pool.digest_for(LETTER)
        assert len(pool.digests()) == len({kind for one in PARSERS.values() for kind in one.media_types})
    assert not mark.exists()


def test_the_digest_changes_with_the_program_and_with_it_alone(programs: Path) -> None:
    scan, text = blob(scanned(["Text"])), blob(pdf([[Put("Text", 700)]]))
    with ParsingPool(PARSERS) as pool:

        def digests() -> list[str]:
            return [pool.digest_for(LETTER), pool.digest_for(scan, recognise=True), pool.digest_for(text)]

        absent = digests()
        for name in ("soffice", "tesseract"):
            pretended(programs, name, "exit 0")
        (programs.parent / "tessdata" / "deu.traineddata").write_bytes(b"1")
        first, again = digests(), digests()
        pretended(programs, "soffice", "exit 0 # another version")
        (programs.parent / "tessdata" / "fra.traineddata").write_bytes(b"22")
        later = digests()

    assert first == again
    assert [a == b for a, b in zip(absent, first, strict=True)] == [False, False, True]
    assert [a == b for a, b in zip(first, later, strict=True)] == [False, False, True]


def test_languages_are_tried_as_configured_as_far_as_they_are_installed(programs: Path) -> None:
    pretended(programs, "tesseract", "exit 0")
    for name in ("deu", "eng"):
        (programs.parent / "tessdata" / f"{name}.traineddata").write_bytes(b"1")

    def found(*wanted: str) -> tuple[str, ...] | None:
        tool = tools.recogniser(wanted)
        return tool.languages if tool else None

    assert found("fr", "en", "de") == ("eng", "deu")
    assert found("de") == ("deu",)
    assert found("it") == ("eng",)


def test_recognition_can_be_switched_off() -> None:
    with ParsingPool(PARSERS, Limits(recognition_s=0)) as pool:
        for document, recognise in ((blob(picture_of(["x"]), "a.png"), False), (blob(scanned(["x"])), True)):
            with pytest.raises(ParseFailed) as caught:
                pool.digest_for(document, recognise=recognise)
            assert caught.value.reason == Reason.UNSUPPORTED


def test_a_program_that_hangs_ends_with_its_document(programs: Path) -> None:
    pretended(programs, "soffice", f"/bin/sleep 60 & /bin/sleep 61; touch {programs}/late")
    with ParsingPool(PARSERS, Limits(wall_s=1.5)) as pool, pytest.raises(ParseFailed) as caught:
        pool.parse(LETTER)

    assert caught.value.reason == Reason.TIMEOUT
    assert not _running("sleep\x0060")
    assert not _running("sleep\x0061")


def test_a_program_that_gives_nothing_is_a_damaged_file(programs: Path) -> None:
    pretended(programs, "soffice", "exit 1")

    assert reason(LETTER).reason == Reason.DAMAGED


def _running(command: str) -> bool:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if command.encode() in (entry / "cmdline").read_bytes():
                    return True
            except OSError:
                continue
    return False


def test_old_formats_with_a_password_are_told_before_anything_starts(programs: Path) -> None:
    pretended(programs, "soffice", f"touch {programs}/started")
    word = bytes(10) + b"\x00\x01" + bytes(4084)
    sheet = b"\x09\x08\x04\x00" + bytes(4) + b"\x2f\x00\x02\x00\x01\x00"
    show = bytes(12) + bytes.fromhex("dfc4d1f3")
    for name, streams in (
        ("a.doc", {"WordDocument": word}),
        ("a.xls", {"Workbook": sheet}),
        ("a.ppt", {"Current User": show, "PowerPoint Document": bytes(4096)}),
    ):
        document = blob(compound(streams), name)
        with pytest.raises(ParseFailed) as caught:
            LegacyParser().parse(document, media_types.recognise(document))
        assert caught.value.reason == Reason.ENCRYPTED
    assert not (programs / "started").exists()


def test_each_kind_is_recognised_by_its_content() -> None:
    assert media_types.recognise(LETTER) == media_types.DOC
    assert media_types.recognise(blob(picture_of(["x"]), "a.txt")) == "image/png"
    with pytest.raises(ParseFailed) as caught:
        media_types.recognise(blob(LETTER.data[:600], "brief.doc"))
    assert caught.value.reason == Reason.DAMAGED
