"""The connector ``files``: what is listed, what tells an edit, and what its settings may be."""

from __future__ import annotations

import os
import subprocess
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote_to_bytes, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kbm_connectors.files import FilesConnector
from kbm_connectors.files_folder import modified_at
from kbm_connectors.folder_walk import item_id, path_of

from kbm.domain.sync import Ref
from kbm.errors import ConfigError
from tests.unit.connectors.folders import connector, failures, listed, put

# --- what is listed


def test_a_ref_tells_place_size_time_and_address(dms: Path) -> None:
    put(dms, "policies/Urlaub 2026.md")
    os.utime(dms / "policies/Urlaub 2026.md", (1_700_000_000, 1_700_000_000))

    ref = next(iter(connector(dms).scan(None)))

    assert isinstance(ref, Ref)
    assert (ref.id, ref.scope, ref.title, ref.size) == ("policies/Urlaub 2026.md", "policies", "", 31)
    assert ref.modified == datetime.fromtimestamp(1_700_000_000, UTC)
    assert ref.url == f"file://{dms}/policies/Urlaub%202026.md"


def test_a_prefix_makes_the_addresses_of_a_web_share(dms: Path) -> None:
    put(dms, "a/ü.md")
    urls = [
        event.url
        for prefix in ("https://dms.example/docs", "https://dms.example/docs/", "https://dms.example/?doc=")
        for event in connector(dms, url_prefix=prefix).scan(None)
        if isinstance(event, Ref)
    ]

    assert urls == [
        "https://dms.example/docs/a/%C3%BC.md",
        "https://dms.example/docs/a/%C3%BC.md",
        "https://dms.example/?doc=a/%C3%BC.md",
    ]


def test_relative_paths_and_file_addresses_name_the_same_folder(dms: Path) -> None:
    put(dms, "a.md")

    for url in ("dms", "./dms", "dms/", dms.as_uri(), f"file://localhost{dms}", str(dms)):
        assert listed(FilesConnector("q", {"url": url}, dms.parent)) == ["a.md"]


def test_what_programs_leave_behind_is_not_listed(dms: Path) -> None:
    junk = [
        "~$Angebot.docx",
        "x.tmp",
        "Thumbs.db",
        ".DS_Store",
        "desktop.ini",
        "__MACOSX/a.docx",
        ".git/config",
    ]
    put(dms, "Angebot.docx", *junk)

    assert listed(connector(dms)) == ["Angebot.docx"]
    assert listed(connector(dms, include=["**/*.docx", "**/*.db", "**/*.tmp"])) == ["Angebot.docx"]


def test_include_and_exclude(dms: Path) -> None:
    put(dms, "a.docx", "B.DOCX", "x/c.docx", "x/y/d.docx", "x/old/e.docx", "f.pdf", "confidential/g.docx")

    assert listed(connector(dms, include=["**/*.docx"], exclude=["confidential/**", "**/old"])) == [
        "B.DOCX",
        "a.docx",
        "x/c.docx",
        "x/y/d.docx",
    ]
    assert listed(connector(dms, include=["*.docx"])) == ["B.DOCX", "a.docx"]
    assert listed(connector(dms, include=["x/**"])) == ["x/c.docx", "x/old/e.docx", "x/y/d.docx"]


def test_names_of_every_kind_are_listed_and_read(dms: Path) -> None:
    names = [
        "Über uns.md".encode(),
        b"Preis \xfcbersicht.md",  # Latin-1 on an old share
        b"two\nlines.md",
        rb"back\xfcslash.md",
        "日本.md".encode(),
        b"-rf.md",
        b"%41.md",
        "e\u0301.md".encode(),  # composed and decomposed are two files here
        "é.md".encode(),
    ]
    for n, name in enumerate(names):
        (dms / os.fsdecode(name)).write_text(str(n))
    one = connector(dms)
    refs = [event for event in one.scan(None) if isinstance(event, Ref)]

    assert len({ref.id for ref in refs}) == len(names)
    assert sorted(one.fetch(ref).data for ref in refs) == sorted(str(n).encode() for n in range(len(names)))
    assert {"Preis \\xfcbersicht.md", "two\\x0alines.md", "back\\x5cxfcslash.md"} <= {ref.id for ref in refs}
    assert all(ref.id.encode("utf-8").isascii() or ref.id.isprintable() for ref in refs)
    assert {unquote_to_bytes(urlsplit(ref.url).path).rsplit(b"/", 1)[-1] for ref in refs} == set(names)


@given(st.binary(min_size=1, max_size=12).filter(lambda name: b"/" not in name and b"\0" not in name))
def test_every_name_comes_back_from_its_id(name: bytes) -> None:
    path = os.fsdecode(name)

    assert path_of(item_id(path)) == path
    item_id(path).encode("utf-8")


@given(st.text(alphabet="\\x0a5c\n\udcfc", max_size=8), st.text(alphabet="\\x0a5c\n\udcfc", max_size=8))
def test_two_names_never_share_an_id(one: str, other: str) -> None:
    assert (item_id(one) == item_id(other)) == (one == other)


def test_a_path_too_long_for_the_system_is_told_and_the_rest_is_listed(dms: Path) -> None:
    put(dms, "a.md")
    name, here = "n" * 250, os.getcwd()
    os.chdir(dms)
    try:
        for _ in range(20):
            os.mkdir(name)
            os.chdir(name)
        Path("deep.md").write_text("deep")
    finally:
        os.chdir(here)

    try:
        assert listed(connector(dms)) == ["a.md"]
        assert [one.why for one in failures(connector(dms))] == ["file name too long"]
    finally:
        subprocess.run(["/bin/rm", "-rf", str(dms / name)], check=True)


def test_twenty_thousand_files_are_listed() -> None:
    memory = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: S108  # a slow disk is not what is tested
    with tempfile.TemporaryDirectory(dir=memory) as name:
        dms = Path(name)
        for n in range(100):
            (dms / f"folder {n}").mkdir()
            for m in range(200):
                os.close(os.open(dms / f"folder {n}" / f"{m}.md", os.O_CREAT | os.O_WRONLY))

        ids = listed(connector(dms, include=["**/*.md"], exclude=["**/old/**"]))

    assert len(set(ids)) == 20_000


def test_a_time_outside_the_calendar_is_left_out() -> None:
    assert modified_at(os.stat_result((0, 0, 0, 0, 0, 0, 0, 0, 10**15, 0))) is None
    assert modified_at(os.stat_result((0, 0, 0, 0, 0, 0, 0, 0, -1, 0))) == datetime(
        1969, 12, 31, 23, 59, 59, tzinfo=UTC
    )


# --- what tells an edit


def test_an_edit_of_the_same_length_with_its_time_set_back_is_seen(dms: Path) -> None:
    put(dms, "a.md")
    os.utime(dms / "a.md", (1_700_000_000, 1_700_000_000))
    before = next(iter(connector(dms).scan(None)))
    (dms / "a.md").write_text("TEXT OF A.MD")
    os.utime(dms / "a.md", (1_700_000_000, 1_700_000_000))

    after = next(iter(connector(dms).scan(None)))

    assert isinstance(before, Ref)
    assert isinstance(after, Ref)
    assert (before.size, before.modified) == (after.size, after.modified)
    assert before.version != after.version


# --- settings


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("webdav+https://bob:hunter2@dms.example/x", "an address holds no account"),
        ("smb://bob:hunter2@nas/x", "holds no password"),
        ("ftp://bob:hunter2@nas/x", "ftp://"),
        ("git@github.com:keller/wiki.git", "user@host:path"),
        ("file://nas/share", "another computer"),
        ("C:\\Freigabe", "Windows path"),
        ("\\\\nas\\share", "Windows path"),
        ("./export.7z", "archives"),
        ("a\0b", "NUL"),
    ],
)
def test_what_is_no_local_folder_is_refused_in_one_sentence(tmp_path: Path, url: str, told: str) -> None:
    with pytest.raises(ConfigError) as refused:
        FilesConnector("wiki", {"url": url}, tmp_path)

    assert "sources.wiki.url" in str(refused.value)
    assert told in str(refused.value)
    assert "hunter2" not in str(refused.value) + refused.value.hint


@pytest.mark.parametrize(
    ("settings", "told", "hint"),
    [
        ({}, "sources.q.url: this key is needed", ""),
        (
            {"url": "x", "includes": []},
            "sources.q.includes: unknown key; there is: exclude, export, git, include, metadata",
            "'include'",
        ),
        ({"url": "x", "include": []}, "sources.q.include", ""),
        ({"url": "x", "include": ["../**"]}, "'../**'", ""),
        ({"url": "x", "include": ["*.{a,b}"]}, "braces", ""),
        ({"url": 7}, "sources.q.url = 7", ""),
    ],
)
def test_wrong_settings_name_source_key_and_choices(
    tmp_path: Path, settings: dict[str, object], told: str, hint: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        FilesConnector("q", settings, tmp_path)

    assert told in str(refused.value)
    assert hint in refused.value.hint
