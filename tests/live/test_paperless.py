"""The connector ``paperless`` against a Paperless-ngx run from its source, which no package index holds.

``KBM_TEST_PAPERLESS`` names a checkout of it (the folder with ``src/manage.py``), ``KBM_TEST_PAPERLESS_PYTHON`` an
interpreter with its dependencies. Documents are put into its database and folder: no worker consumes them.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from kbm_connectors.paperless import PaperlessConnector

from kbm.errors import ConnectorRefused, ConnectorUnavailable
from tests.live.servers import free_port, needs_files, start, stop
from tests.unit.connectors.core import Core

pytestmark = pytest.mark.live
PASSWORD = "kbm-Pass-321"
FONT = "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"
FILL = """
import hashlib
from django.conf import settings
from django.contrib.auth.models import Group, User
from documents.models import Document
hr = Group.objects.create(name="hr")
bert = User.objects.create_user("bert", password="x")
settings.ORIGINALS_DIR.mkdir(parents=True, exist_ok=True)
for n in range(1, 6):
    data = f"Text von Dokument {n}.".encode()
    (settings.ORIGINALS_DIR / f"{n}.txt").write_bytes(data)
    Document.objects.create(title=f"Dokument {n}", content=data.decode(), mime_type="text/plain",
                            checksum=hashlib.md5(data).hexdigest(), filename=f"{n}.txt",
                            owner=bert if n == 1 else None)
"""


@dataclass
class Dms:
    """A Paperless with five documents, and a person who edits them over its interface."""

    root: Path
    url: str
    server: subprocess.Popen[bytes]

    def connect(self, password: str = PASSWORD, *, later: timedelta = timedelta()) -> PaperlessConnector:
        os.environ["KBM_TEST_DMS"] = password
        keys = {"url": self.url, "user": "admin", "password": "env:KBM_TEST_DMS", "allow_private": True}
        return PaperlessConnector(
            "dms", keys, self.root, pause=lambda _: None, now=lambda: datetime.now(UTC) + later
        )

    def do(self, method: str, path: str, **body: object) -> None:
        asked = httpx.request(
            method,
            f"{self.url}/api/{path}",
            content=json.dumps(body),
            headers={"Content-Type": "application/json"},
            auth=("admin", PASSWORD),
            timeout=60,
        )
        asked.raise_for_status()


@pytest.fixture(scope="module")
def tree() -> Path:
    named = os.environ.get("KBM_TEST_PAPERLESS", "")
    if not named:
        pytest.skip("KBM_TEST_PAPERLESS names no checkout of Paperless-ngx: it is in no package index")
    needs_files("/usr/bin/redis-server", f"{named}/src/manage.py", FONT)
    return Path(named)


@pytest.fixture
def dms(tree: Path, tmp_path: Path) -> Iterator[Dms]:
    python = os.environ.get("KBM_TEST_PAPERLESS_PYTHON", f"{tree}/.venv/bin/python")
    needs_files(python)
    redis_port, port = free_port(), free_port()
    folders = {name: tmp_path / name.lower() for name in ("DATA", "MEDIA", "CONSUME", "STATIC")}
    for folder in folders.values():
        folder.mkdir()
    env = {
        **os.environ,
        "PAPERLESS_REDIS": f"redis://127.0.0.1:{redis_port}",
        "PAPERLESS_DATA_DIR": str(folders["DATA"]),
        "PAPERLESS_MEDIA_ROOT": str(folders["MEDIA"]),
        "PAPERLESS_CONSUMPTION_DIR": str(folders["CONSUME"]),
        "PAPERLESS_STATICDIR": str(folders["STATIC"]),
        "PAPERLESS_SECRET_KEY": "of-a-test",
        "PAPERLESS_URL": f"http://127.0.0.1:{port}",
        "PAPERLESS_THUMBNAIL_FONT_NAME": FONT,
        "DJANGO_SUPERUSER_PASSWORD": PASSWORD,
    }
    manage = [python, str(tree / "src" / "manage.py")]

    def run(*arguments: str) -> None:
        done = subprocess.run(
            [*manage, *arguments], cwd=tree / "src", env=env, capture_output=True, text=True, timeout=300
        )
        if done.returncode:
            pytest.skip(f"Paperless does not run here: {arguments[0]}: {done.stderr[-300:]}")

    with ExitStack() as stack:
        redis = ["redis-server", "--bind", "127.0.0.1", "--port", str(redis_port), "--save", ""]
        stack.callback(stop, start([*redis, "--appendonly", "no"], redis_port, tmp_path))
        run("migrate")
        run("createsuperuser", "--noinput", "--username", "admin", "--email", "a@example.com")
        run("shell", "-c", FILL)
        serve = [*manage, "runserver", f"127.0.0.1:{port}", "--noreload"]
        server = start(serve, port, tmp_path, {**env, "PWD": str(tree / "src")})
        stack.callback(stop, server)
        yield Dms(tmp_path, f"http://127.0.0.1:{port}", server)


def test_a_paperless_is_followed_through_edits_trash_rights_and_an_outage(dms: Dms) -> None:
    core = Core()
    first = core.sync(dms.connect())
    readers = {id: ref.readers for id, ref in first.refs.items()}
    ids = sorted(core.known, key=int)

    assert len(ids) == 5
    assert (readers[ids[0]], readers[ids[1]]) == (frozenset({"user:bert"}), None)
    assert core.blobs[ids[2]].data == b"Text von Dokument 3."
    assert dms.connect().check() == []

    # Nothing is fetched twice; an edit and a deletion come with the next sync.
    assert core.sync(dms.connect()).does_nothing
    time.sleep(0.01)
    dms.do("PATCH", f"documents/{ids[1]}/", title="Anders")
    dms.do("DELETE", f"documents/{ids[2]}/")
    plan = core.sync(dms.connect())
    assert (plan.changed, plan.removed) == ((ids[1],), (ids[2],))
    assert plan.refs[ids[1]].title == "Anders"

    # Deleted for good between two syncs: the full listing tells.
    dms.do("DELETE", f"documents/{ids[3]}/")
    dms.do("POST", "trash/", action="empty", documents=[int(ids[3])])
    plan = core.sync(dms.connect(later=timedelta(days=2)))
    assert plan.removed == (ids[3],)

    # Wrong password and outage: everything stays.
    with pytest.raises(ConnectorRefused):
        core.sync(dms.connect("wrong-Pass"))
    stop(dms.server)
    with pytest.raises(ConnectorUnavailable):
        core.sync(dms.connect())
    assert len(core.known) == 3
