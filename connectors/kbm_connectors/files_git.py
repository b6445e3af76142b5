"""The files of a git repository at one commit, read with the ``git`` command.

Blob ids are the best versions there are: they follow from the content and nothing else. What is committed counts, not
what lies in the folder. Hooks, filters and the network stay out: only objects are read.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from kbm.domain.documents import Blob
from kbm.domain.sync import Event, Failed, Mark, Ref
from kbm.errors import ConnectorError, ConnectorRefused, ConnectorUnavailable
from kbm_connectors.files_tree import Selection, link
from kbm_connectors.folder_walk import item_id, path_of

TIMEOUT_S = 120.0
_LFS = b"version https://git-lfs.github.com/spec/"
_FILES = ("100644", "100755", "100664")


class GitTree:
    """The files of *ref* in the repository at *path*."""

    def __init__(
        self, name: str, path: Path, wanted: Selection, *, ref: str = "HEAD", url_prefix: str = ""
    ) -> None:
        self.place = f"{path} at {ref}"
        self._name, self._path, self._wanted, self._at, self._prefix = name, path, wanted, ref, url_prefix

    def problem(self) -> str:
        """Say what keeps the repository from being read."""
        try:
            self._commit()
        except ConnectorError as error:
            return f"{error} ({error.hint})" if error.hint else str(error)
        return ""

    def scan(self) -> Iterator[Event]:
        """List the files of the commit that the name means now."""
        try:
            commit = self._commit()
            listed = self._git("ls-tree", "-r", "-z", "--long", "--full-tree", commit)
            touched = self._touched(commit)
        except ConnectorError as error:
            yield Failed(scope="", why=str(error), retry=error.retryable)
            return
        for line in listed.split(b"\0"):
            head, tab, raw = line.partition(b"\t")
            if not tab:
                continue
            mode, _, blob, size = head.decode("ascii").split()
            path = os.fsdecode(raw)
            if mode not in _FILES or not self._wanted.wants(path):
                continue  # links and other repositories have no content here
            at, author = touched.get(path, (None, ""))
            item = item_id(path)
            yield Ref(
                id=item,
                version=blob,
                url=link(self._prefix, path, f"file://{quote(os.fsencode(self._path / path))}"),
                author=author,
                modified=at,
                size=int(size),
                scope=item.rpartition("/")[0],
            )
        yield Mark(cursor=None, full=True)

    def fetch(self, ref: Ref) -> Blob:
        """Read a file as it is committed now.

        Raises:
            ConnectorUnavailable: it is not there any more.
            ConnectorRefused: its content is kept elsewhere (Git LFS).
        """
        path = path_of(ref.id)
        try:
            data = self._git("cat-file", "blob", f"{self._at}:{path}")
        except ConnectorRefused as error:
            raise ConnectorUnavailable(f"source {self._name}: {ref.id} is not committed any more") from error
        if data.startswith(_LFS):
            raise ConnectorRefused(
                f"source {self._name}: {ref.id} is kept by Git LFS, not in the repository",
                hint="run `git lfs pull` in a checkout and give that folder without git = true",
            )
        return Blob(data=data, name=ref.id.rsplit("/", 1)[-1], media_type=ref.media_type)

    def _commit(self) -> str:
        if not self._path.is_dir():
            raise ConnectorUnavailable(f"source {self._name}: {self._path} is not there, or no folder")
        return self._git("rev-parse", "--verify", "--quiet", f"{self._at}^{{commit}}").decode("ascii").strip()

    def _touched(self, commit: str) -> dict[str, tuple[datetime, str]]:
        """Give who committed each file last, and when."""
        log = self._git("log", "--format=%x01%ct%x02%an", "--name-only", "-z", "--no-renames", "-m", commit)
        found: dict[str, tuple[datetime, str]] = {}
        at: datetime | None = None
        author = ""
        for part in log.split(b"\0"):
            text = part.strip(b"\n")
            if text.startswith(b"\x01"):
                seconds, _, name = text[1:].partition(b"\x02")
                name, _, text = name.partition(b"\n")
                text = text.strip(b"\n")
                at, author = datetime.fromtimestamp(int(seconds), UTC), name.decode("utf-8", "replace")
            if text and at is not None:
                found.setdefault(os.fsdecode(text), (at, author))
        return found

    def _git(self, *arguments: str) -> bytes:
        command = shutil.which("git")
        if command is None:
            raise ConnectorRefused(
                f"source {self._name}: the command git is not installed",
                hint="install git, or give the checked-out folder without git = true",
            )
        # Without a ceiling, an empty mount point inside another repository would be taken for that one.
        inert = {"GIT_CEILING_DIRECTORIES": str(self._path.parent)}
        inert |= {
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_NO_LAZY_FETCH": "1",
            "LC_ALL": "C",
        }
        try:
            done = subprocess.run(
                [
                    command,
                    "--no-replace-objects",
                    "-C",
                    str(self._path),
                    "-c",
                    "core.fsmonitor=false",
                    *arguments,
                ],
                env={
                    **{key: value for key, value in os.environ.items() if not key.startswith("GIT_")},
                    **inert,
                },
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise ConnectorUnavailable(
                f"source {self._name}: git did not answer within {TIMEOUT_S:.0f} seconds"
            ) from None
        if done.returncode:
            raise self._fault(done.stderr.decode("utf-8", "replace"))
        return done.stdout

    def _fault(self, said: str) -> ConnectorError:
        if "dubious ownership" in said:
            return ConnectorRefused(
                f"source {self._name}: git refuses {self._path}, which belongs to another user",
                hint=f"run `git config --global --add safe.directory {self._path}` as the user kbm runs as",
            )
        if "not a git repository" in said:
            return ConnectorRefused(f"source {self._name}: {self._path} is no git repository")
        return ConnectorRefused(
            f"source {self._name}: git finds no {self._at} in {self._path}",
            hint="name a branch or tag with ref",
        )
