"""The connector ``files`` over a git repository keeps the promises of every connector."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from kbm_connectors.files import FilesConnector

from kbm.domain.sync import Failed, Ref
from kbm.errors import ConnectorRefused
from kbm.testing.contracts.connector import ConnectorContract

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


@dataclass
class Repository:
    root: Path

    def __post_init__(self) -> None:
        self.folder.mkdir()
        self.git("init", "-q", "-b", "main")

    @property
    def folder(self) -> Path:
        return self.root / "wiki"

    def git(self, *arguments: str) -> None:
        who = ["-c", "user.name=Anna", "-c", "user.email=anna@test.example", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", "-C", self.folder, *who, *arguments], check=True, capture_output=True)  # noqa: S607

    def connect(self) -> FilesConnector:
        return FilesConnector("wiki", {"url": "wiki", "git": True}, self.root)

    def make(self, id: str, text: str) -> None:
        path = self.folder / id
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        self.commit()

    edit = make

    def remove(self, id: str) -> None:
        (self.folder / id).unlink()
        self.commit()

    def commit(self) -> None:
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "x")

    def break_root(self) -> None:
        shutil.rmtree(self.folder / ".git")


class TestGit(ConnectorContract):
    ids = ("a.txt", "policies/b.txt", "policies/2026/ü c.txt")

    @pytest.fixture
    def source(self, tmp_path: Path) -> Repository:
        return Repository(tmp_path)


class TestGitThatVanishes(TestGit):
    @pytest.fixture
    def source(self, tmp_path: Path) -> Repository:
        class Vanishing(Repository):
            def break_root(self) -> None:
                shutil.rmtree(self.folder)

        return Vanishing(tmp_path)


def refs(connector: FilesConnector) -> dict[str, Ref]:
    return {event.id: event for event in connector.scan(None) if isinstance(event, Ref)}


def test_what_is_committed_counts_and_not_what_lies_there(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    repository.make("a.txt", "committed")
    (repository.folder / "a.txt").write_text("edited only")
    (repository.folder / "b.txt").write_text("never committed")
    connector = repository.connect()
    listed = refs(connector)

    assert listed.keys() == {"a.txt"}
    assert connector.fetch(listed["a.txt"]).data == b"committed"


def test_equal_content_has_an_equal_version_and_its_last_author(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    repository.make("a.txt", "same")
    before = refs(repository.connect())["a.txt"]
    repository.make("other.txt", "more")
    (repository.folder / "sub").mkdir()
    repository.git("mv", "a.txt", "sub/b.txt")
    repository.commit()
    after = refs(repository.connect())["sub/b.txt"]

    assert after.version == before.version
    assert after.author == "Anna"
    assert after.modified is not None
    assert after.scope == "sub"


def test_another_branch_is_read_by_its_name(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    repository.make("a.txt", "main")
    repository.git("checkout", "-q", "-b", "draft")
    repository.make("b.txt", "draft")
    settings = {"url": f"git+file://{repository.folder}", "ref": "main"}

    assert refs(FilesConnector("wiki", settings, tmp_path)).keys() == {"a.txt"}


def test_a_branch_that_is_gone_deletes_nothing(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    repository.make("a.txt", "main")
    connector = FilesConnector("wiki", {"url": "wiki", "git": True, "ref": "gone"}, tmp_path)

    [failed] = connector.scan(None)

    assert isinstance(failed, Failed)
    assert failed.scope == ""
    assert "git finds no gone" in connector.check()[0]


def test_an_empty_folder_inside_another_repository_is_not_that_repository(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    repository.make("secret.txt", "of the outer one")
    (repository.folder / "mount").mkdir()
    connector = FilesConnector("wiki", {"url": "wiki/mount", "git": True}, tmp_path)

    assert not refs(connector)
    assert "no git repository" in connector.check()[0]


def test_a_file_that_git_lfs_keeps_is_refused(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    repository.make("big.pdf", "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n")
    connector = repository.connect()

    with pytest.raises(ConnectorRefused, match="Git LFS"):
        connector.fetch(refs(connector)["big.pdf"])


def test_without_the_command_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = Repository(tmp_path)
    repository.make("a.txt", "main")
    monkeypatch.setenv("PATH", str(tmp_path))

    [problem] = repository.connect().check()

    assert "git is not installed" in problem
    assert "without git = true" in problem
