"""The connector ``files``: what is listed, what is left out, and that nothing outside is read."""

from __future__ import annotations

import json
import os
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote_to_bytes, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kbm_connectors.files import FilesConnector, modified_at
from kbm_connectors.folder_walk import item_id, path_of

from kbm.domain.sync import Brake, Failed, Known, Mark, Ref, plan_sync
from kbm.errors import ConfigError, ConnectorRefused, ConnectorUnavailable


@pytest.fixture
def dms(tmp_path: Path) -> Path:
    folder = tmp_path / "dms"
    folder.mkdir()
    return folder


@pytest.fixture
def open_dms() -> Iterator[Path]:
    """A folder that another user may enter; pytest's own is closed to others."""
    folder = Path(tempfile.mkdtemp(prefix="kbm-files-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def put(folder: Path, *paths: str) -> None:
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(f"text of {path}")


def connector(folder: Path, **settings: object) -> FilesConnector:
    return FilesConnector("quality", {"url": str(folder), **settings}, folder.parent)


def listed(one: FilesConnector) -> list[str]:
    return [event.id for event in one.scan(None) if isinstance(event, Ref)]


def failures(one: FilesConnector) -> list[Failed]:
    return [event for event in one.scan(None) if isinstance(event, Failed)]


def as_nobody(folder: Path, **settings: object) -> tuple[list[list[object]], list[str]]:
    """Scan and check *folder* as a user without special rights; root could read everything."""
    script = """
import json, os, sys
from pathlib import Path
from kbm_connectors.files import FilesConnector
if os.getuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
one = FilesConnector("quality", json.loads(sys.argv[1]), Path("/"))
events = [[type(e).__name__, getattr(e, "id", None), getattr(e, "scope", None)] for e in one.scan(None)]
print(json.dumps([events, one.check()]))
"""
    given_settings = json.dumps({"url": str(folder), **settings})
    run = subprocess.run(
        [sys.executable, "-c", script, given_settings], capture_output=True, check=True, timeout=60, cwd="/"
    )
    events, problems = json.loads(run.stdout)
    return events, problems


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


# --- faults


def test_a_missing_root_is_the_whole_source(dms: Path) -> None:
    one = connector(dms / "nowhere")

    assert [(type(event), getattr(event, "scope", None)) for event in one.scan(None)] == [(Failed, "")]
    assert "does not exist" in one.check()[0]


def test_a_file_as_root_is_told(dms: Path) -> None:
    put(dms, "a.md")

    assert [event for event in connector(dms / "a.md").scan(None) if isinstance(event, Mark)] == []
    assert "is not a folder" in connector(dms / "a.md").check()[0]


def test_an_unreadable_nested_folder_keeps_its_documents(open_dms: Path) -> None:
    put(open_dms, "a.md", "hr/b.md", "hr/secret/c.md", "hr/secret/deep/d.md", "secretary/e.md")
    known = {
        event.id: Known(version=event.version, readers=frozenset({"everyone"}), scope=event.scope)
        for event in connector(open_dms).scan(None)
        if isinstance(event, Ref)
    }
    (open_dms / "hr/secret").chmod(0)
    (open_dms / "secretary/e.md").unlink()
    try:
        events, problems = as_nobody(open_dms)
    finally:
        (open_dms / "hr/secret").chmod(0o755)

    assert ["Failed", None, "hr/secret"] in events
    assert events[-1][0] == "Mark"
    assert problems == ["hr/secret cannot be read: permission denied"]
    seen = [
        Ref(id=str(id), version=known[str(id)].version) if kind == "Ref" else Failed(scope=str(scope), why="")
        for kind, id, scope in events[:-1]
    ]
    plan = plan_sync(
        "quality",
        [*seen, Mark(cursor=None, full=True)],
        known,
        default_readers=frozenset({"everyone"}),
        brake=Brake(),
    )
    assert plan.removed == ("secretary/e.md",)


def test_an_unreadable_root_gives_no_complete_listing(open_dms: Path) -> None:
    put(open_dms, "root/a.md")
    (open_dms / "root").chmod(0)
    try:
        events, problems = as_nobody(open_dms / "root")
    finally:
        (open_dms / "root").chmod(0o755)

    assert events == [["Failed", None, ""]]
    assert "permission denied" in problems[0]


def test_a_folder_nobody_asked_for_is_not_opened(open_dms: Path) -> None:
    put(open_dms, "a.md", "private/b.md")
    (open_dms / "private").chmod(0)
    try:
        assert as_nobody(open_dms, include=["*.md"])[0] == [["Ref", "a.md", ""], ["Mark", None, None]]
        assert as_nobody(open_dms, exclude=["private"])[1] == []
        assert as_nobody(open_dms)[1] == ["private cannot be read: permission denied"]
    finally:
        (open_dms / "private").chmod(0o755)


def test_a_file_that_may_not_be_read_needs_a_person(open_dms: Path) -> None:
    put(open_dms, "a.md")
    (open_dms / "a.md").chmod(0)
    script = """
import os, sys
from pathlib import Path
from kbm_connectors.files import FilesConnector
from kbm.domain.sync import Ref
from kbm.errors import ConnectorRefused
if os.getuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
try:
    FilesConnector("quality", {"url": sys.argv[1]}, Path("/")).fetch(Ref(id="a.md", version="1"))
except ConnectorRefused as error:
    print(error, error.hint)
"""
    run = subprocess.run(
        [sys.executable, "-c", script, str(open_dms)], capture_output=True, check=True, timeout=60, cwd="/"
    )

    assert run.stdout.decode().startswith(
        "source quality: a.md cannot be read: permission denied give the user"
    )


def test_a_root_that_vanishes_meanwhile_is_not_complete(dms: Path) -> None:
    put(dms, "a.md", "b/c.md")
    scan = connector(dms).scan(None)
    next(scan)
    dms.rename(dms.parent / "away")
    dms.mkdir()

    rest = list(scan)

    assert any(isinstance(event, Failed) and event.scope == "" for event in rest)
    assert not any(isinstance(event, Mark) for event in rest)


def test_nothing_that_matches_is_told(dms: Path) -> None:
    put(dms, "x/a.docx")

    assert "matches include = *.docx" in connector(dms, include=["*.docx"]).check()[0]
    assert "write **/*.docx" in connector(dms, include=["*.docx"]).check()[0]


# --- links and what is no file


def test_links_inside_are_followed_and_loops_end(dms: Path) -> None:
    put(dms, "releases/3/a.md", "b.md")
    (dms / "current").symlink_to("releases/3")
    (dms / "same.md").symlink_to("b.md")
    (dms / "releases/up").symlink_to("..")
    (dms / "self").symlink_to("self")
    (dms / "dangling").symlink_to("gone.md")

    assert listed(connector(dms)) == ["b.md", "same.md", "current/a.md", "releases/3/a.md"]
    assert [one.id for one in failures(connector(dms))] == ["self"]


def test_links_that_multiply_end(dms: Path) -> None:
    for n in range(8):
        put(dms, f"{n}/a.md")
        for m in range(8):
            (dms / f"{n}" / f"to{m}").symlink_to(f"../{m}")

    events = list(connector(dms).scan(None))

    assert len(events) < 50_000
    assert isinstance(events[-1], Mark)


def test_links_that_lead_outside_are_told_and_not_followed(dms: Path) -> None:
    outside = dms.parent / "dms-secret"
    put(outside, "s.md")
    put(dms, "a.md")
    (dms / "folder").symlink_to(outside)
    (dms / "file.md").symlink_to(outside / "s.md")
    (dms / "passwd").symlink_to("/etc/passwd")
    (dms / "climb").symlink_to("../dms-secret")

    assert listed(connector(dms)) == ["a.md"]
    assert [one.id or one.scope for one in failures(connector(dms))] == [
        "climb",
        "file.md",
        "folder",
        "passwd",
    ]
    assert failures(connector(dms, include=["*.md"], exclude=["file.md"])) == []


def test_what_is_no_file_is_told_and_the_rest_is_listed(dms: Path) -> None:
    put(dms, "a.md")
    os.mkfifo(dms / "pipe.md")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(dms / "socket.md"))
        events = list(connector(dms).scan(None))

    assert [type(event) for event in events] == [Ref, Failed, Failed, Mark]
    assert events[1] == Failed(scope="", id="pipe.md", why="a pipe, not a file; not opened", retry=False)
    assert events[2] == Failed(scope="", id="socket.md", why="a socket, not a file; not opened", retry=False)


def test_what_is_no_file_is_silent_where_nobody_asked_for_it(dms: Path) -> None:
    put(dms, "a.md")
    os.mkfifo(dms / "pipe.md")
    os.mkfifo(dms / "control")

    assert failures(connector(dms, include=["*.md"], exclude=["pipe.md"])) == []


def test_a_link_to_a_pipe_is_told_like_the_pipe(dms: Path) -> None:
    os.mkfifo(dms / "pipe.md")
    (dms / "link.md").symlink_to("pipe.md")

    assert [(one.id, one.why.partition(",")[0]) for one in failures(connector(dms))] == [
        ("link.md", "a pipe"),
        ("pipe.md", "a pipe"),
    ]


def test_a_pipe_among_files_is_told_by_check(dms: Path) -> None:
    put(dms, "a.md")
    os.mkfifo(dms / "pipe.md")

    assert connector(dms).check() == ["pipe.md cannot be read: a pipe, not a file; not opened"]


@pytest.mark.skipif(os.getuid() != 0, reason="only root makes devices")
def test_a_device_is_told_and_not_opened(dms: Path) -> None:
    try:
        os.mknod(dms / "tape.md", stat.S_IFCHR | 0o600, os.makedev(1, 5))  # zeros without an end
    except PermissionError:
        pytest.skip("devices cannot be made here")

    assert [one.why for one in failures(connector(dms))] == ["a device, not a file; not opened"]


def test_a_known_document_whose_place_a_pipe_took_is_kept(dms: Path) -> None:
    put(dms, "a.md")
    os.mkfifo(dms / "b.md")
    known = {id: Known(version="1", readers=frozenset({"everyone"})) for id in ("a.md", "b.md", "c.md")}

    plan = plan_sync(
        "q", connector(dms).scan(None), known, default_readers=frozenset({"everyone"}), brake=Brake()
    )

    assert plan.removed == ("c.md",)
    assert plan.failures == ("b.md: a pipe, not a file; not opened",)


# --- fetching


@pytest.mark.parametrize(
    "id", ["../secret.md", "/etc/passwd", "a/../../secret.md", "a\\x00", "", ".", "x/./a.md"]
)
def test_an_id_that_leads_outside_is_refused(dms: Path, id: str) -> None:
    put(dms, "a.md", "x/a.md")
    put(dms.parent, "secret.md")

    with pytest.raises(ConnectorRefused):
        connector(dms).fetch(Ref(id=id, version="1"))


@pytest.mark.parametrize("inside", ["a.md", "x/a.md"])
def test_a_link_that_took_the_place_of_a_file_or_folder_is_not_followed(dms: Path, inside: str) -> None:
    put(dms.parent, "secret/a.md")
    put(dms, "x/a.md", "a.md")
    one = connector(dms)
    ref = next(event for event in one.scan(None) if isinstance(event, Ref) and event.id == inside)
    shutil.rmtree(dms / "x")
    (dms / "a.md").unlink()
    (dms / "x").symlink_to("../secret")
    (dms / "a.md").symlink_to("../secret/a.md")

    with pytest.raises(ConnectorRefused, match="outside"):
        one.fetch(ref)


def test_a_pipe_that_took_the_place_of_a_file_does_not_block(dms: Path) -> None:
    os.mkfifo(dms / "a.md")

    with pytest.raises(ConnectorRefused, match="regular"):
        connector(dms).fetch(Ref(id="a.md", version="1"))


def test_a_file_that_vanished_is_asked_for_again_later(dms: Path) -> None:
    with pytest.raises(ConnectorUnavailable, match=r"a\.md"):
        connector(dms).fetch(Ref(id="a.md", version="1"))


def test_fetching_leaves_no_file_open(dms: Path) -> None:
    put(dms, "x/y/a.md")
    one, before = connector(dms), len(os.listdir("/proc/self/fd"))
    for id in ("x/y/a.md", "x/y/gone.md", "x/gone/a.md"):
        try:
            one.fetch(Ref(id=id, version="1"))
        except ConnectorUnavailable:
            continue

    assert len(os.listdir("/proc/self/fd")) == before


# --- settings


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("webdav+https://bob:hunter2@dms.example/x", "webdav+https://"),
        ("smb://bob:hunter2@nas/x", "smb://"),
        ("git@github.com:keller/wiki.git", "user@host:path"),
        ("file://nas/share", "another computer"),
        ("C:\\Freigabe", "Windows path"),
        ("\\\\nas\\share", "Windows path"),
        ("./export.zip", "archives"),
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
            "sources.q.includes: unknown key; there is: exclude, include",
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
