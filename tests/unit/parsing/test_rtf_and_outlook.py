"""Rich text and Outlook mail."""

from __future__ import annotations

import struct

import pytest

from kbm.domain.documents import ElementKind, ParsedDocument, Reason
from kbm.errors import ParseFailed
from kbm.parsing import media_types, outlook, tidy
from kbm.parsing.formats import MsgParser, RtfParser
from tests.unit.parsing import open_files
from tests.unit.parsing.files import blob, only_table, texts

SUBJECT, BODY, HTML, PACKED, HEADERS = 0x0037, 0x1000, 0x1013, 0x1009, 0x007D
SENDER, SENDER_SMTP, TO = 0x0C1A, 0x5D01, 0x0E04
NAME, DATA, KIND = 0x3707, 0x3701, 0x370E


def rich(text: str) -> ParsedDocument:
    data = blob(rf"{{\rtf1\ansi\ansicpg1252{text}}}")
    assert media_types.recognise(data) == media_types.RTF
    return tidy.document(RtfParser().parse(data, media_types.RTF))


def mail(data: bytes) -> ParsedDocument:
    assert media_types.recognise(blob(data)) == media_types.MSG
    return tidy.document(MsgParser().parse(blob(data), media_types.MSG))


def test_rich_text_keeps_headings_umlauts_and_tables() -> None:
    styles = r"{\stylesheet{\s0 Normal;}{\s3\b Heading 2;}}"
    parsed = rich(
        rf"{styles}{{\info{{\title Pr\'fcfplan}}}}\pard\outlinelevel0 Wartung\par\pard \'d6l pr\u252?fen.\par"
        r"\pard\s3 Teile\par\trowd\intbl Teil\cell Menge\cell Lager\cell\row\trowd\intbl Ring\cell 4\cell A1\cell"
        r"\row\pard {\pict 0102ff}Ende.\par"
    )

    assert [(one.text, one.headings) for one in parsed.elements if one.kind is not ElementKind.TABLE] == [
        ("Wartung", ()),
        ("Öl prüfen.", ("Wartung",)),
        ("Teile", ("Wartung",)),
        ("Ende.", ("Wartung", "Teile")),
    ]
    assert only_table(parsed).cells == (("Teil", "Menge", "Lager"), ("Ring", "4", "A1"))


def test_rich_text_that_was_cut_off_says_so() -> None:
    parsed = RtfParser().parse(blob(rb"{\rtf1\ansi Der Anfang\par und "), media_types.RTF)

    assert parsed.quality.poor == ("truncated",)


def test_a_mail_of_outlook_is_read_like_any_mail() -> None:
    parsed = mail(
        open_files.outlook(
            {
                SUBJECT: "Reklamation 4711",
                SENDER: "Müller, Anna",
                SENDER_SMTP: "anna@keller.example",
                TO: "Murat Aydin",
                HTML: b"<html><body><p>Die Dichtung <b>leckt</b>.</p></body></html>",
            },
            [
                {NAME: "../../Bericht.txt", DATA: b"Der Bericht.", KIND: "text/plain"},
            ],
        )
    )

    assert (parsed.title, parsed.author) == ("Reklamation 4711", '"Müller, Anna" <anna@keller.example>')
    assert texts(parsed)[0] == "Reklamation 4711"
    assert "Murat Aydin" in texts(parsed)[1]
    assert texts(parsed)[2] == "Die Dichtung leckt."
    assert len(parsed.attachments) == 1
    assert parsed.attachments[0].name == "Bericht.txt"
    assert parsed.attachments[0].data.startswith(b"Der Bericht.")


def test_a_plain_body_is_taken_where_there_is_no_other() -> None:
    assert texts(mail(open_files.outlook({SUBJECT: "S", BODY: "Erstens.\r\n\r\nZweitens.\r\n"})))[-2:] == [
        "Erstens.",
        "Zweitens.",
    ]


def test_fields_of_the_transport_stand_in_for_missing_ones() -> None:
    headers = "From: a@x.example\r\nDate: Mon, 02 Mar 2026 10:00:00 +0100\r\nSubject: Aus dem Kopf\r\n\r\n"
    parsed = mail(open_files.outlook({HEADERS: headers, BODY: "Text."}))

    assert parsed.title == "Aus dem Kopf"
    assert parsed.modified is not None
    assert parsed.modified.isoformat() == "2026-03-02T10:00:00+01:00"


def packed(text: bytes) -> bytes:
    """Pack as literals only, which the format allows."""
    groups = [text[at : at + 8] for at in range(0, len(text), 8)]
    body = b"".join(b"\0" + group for group in groups)
    return struct.pack("<IIII", len(body) + 12, len(text), 0x75465A4C, 0) + body


def test_a_packed_body_of_rich_text_is_unpacked() -> None:
    body = rb"{\rtf1\ansi\fromhtml1{\*\htmltag64 <p>}\htmlrtf \par \htmlrtf0 Die Pumpe l\'e4uft.\par}"

    assert outlook.unpacked(packed(body)) == body
    assert texts(mail(open_files.outlook({SUBJECT: "S", PACKED: packed(body)})))[-1] == "Die Pumpe läuft."


def test_references_into_the_window_are_followed() -> None:
    """The published example of the format (MS-OXRTFCP, 4.1.1)."""
    data = bytes.fromhex(
        "2d0000002b0000004c5a4675f1c5c7a703000a007263706731323542320af32068656c090020627705b06c647d0a800fa0"
    )

    assert outlook.unpacked(data) == b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n"


def test_an_encrypted_mail_is_told_from_its_envelope() -> None:
    data = open_files.outlook(
        {SUBJECT: "S", BODY: "x"}, [{NAME: "smime.p7m", DATA: b"lock", KIND: "application/pkcs7-mime"}]
    )
    with pytest.raises(ParseFailed) as caught:
        mail(data)
    assert caught.value.reason == Reason.ENCRYPTED


def test_a_container_that_is_broken_is_damaged() -> None:
    data = open_files.outlook({SUBJECT: "S", BODY: "x"})
    with pytest.raises(ParseFailed) as caught:
        MsgParser().parse(blob(data[: len(data) // 2]), media_types.MSG)
    assert caught.value.reason == Reason.DAMAGED
