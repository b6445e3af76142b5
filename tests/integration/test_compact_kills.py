"""``kill -9`` before and after each step that compaction leaves something behind; then the same command again."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from kbm.bootstrap import Kbm
from kbm.domain.releases import ReleaseContent
from kbm.domain.retention import Retention
from kbm.services.compact import Compact
from kbm.services.retrieve import Caller
from kbm.testing.builders import kbm_over
from kbm.testing.fakes import FakeClock, FakeConnector, FakeEmbedder, NoProgress

pytestmark = pytest.mark.slow

STEPS = [
    "compact.evict",
    "merge.write",
    "merge.commit",
    "merge.refit",
    "merge.sweep",
    "compact.purge",
    "compact.vectors",
    "compact.vacuum",
]
NIGHTS = 7


@contextmanager
def _opened(folder: Path, days: int, embedder: FakeEmbedder | None = None) -> Iterator[tuple[Kbm, Compact]]:
    clock = FakeClock()
    clock.advance(days=days)
    with kbm_over(folder, _source(), clock=clock, embedder=embedder) as kbm:
        retention = {"helper": Retention(keep=2, purge_after=timedelta(days=90))}
        yield kbm, replace(kbm.compact, retention=retention)


def _source() -> FakeConnector:
    return FakeConnector(items={f"{n}.txt": f"Machine {n} has the number {n * 37}." for n in range(12)})


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder of many nights, two releases put away long ago, two more to put away now."""
    folder = tmp_path_factory.mktemp("old")
    for night in range(NIGHTS):
        with _opened(folder, night) as (kbm, compact):
            source = _source()
            source.items["leave.txt"] = f"Employees get {30 + night} days of leave."
            kbm._connectors["docs"] = source  # type: ignore[index]
            kbm.sync.run(kbm.source_to_sync("docs"), NoProgress())
            made = kbm.build.run(kbm.gpt_to_build("helper"), NoProgress()).release
            kbm.catalogue.releases.publish("helper", str(made.version), who="anna", why="test")
            if night == NIGHTS - 3:
                compact.after_publish("helper", NoProgress())
    with _opened(folder, NIGHTS) as (kbm, _), kbm.catalogue.retention._writes.begin() as connection:
        # Enough that is not needed for the database to be made smaller.
        for n in range(300):
            connection.execute(
                text("INSERT INTO parsed VALUES (:content, 'p', randomblob(20000), NULL, NULL, 'now')"),
                {"content": f"{n:064d}"},
            )
    return folder


def test_each_step_can_be_killed_and_the_same_command_ends_it(tmp_path: Path, old: Path) -> None:
    straight = _state(_after(shutil.copytree(old, tmp_path / "straight")))
    for step in STEPS:
        for when in ("before", "after"):
            folder = shutil.copytree(old, tmp_path / f"{step}-{when}")
            died = subprocess.run(
                [sys.executable, "-m", "tests.integration.test_compact_kills", str(folder)],
                env={**os.environ, "KBM_FAULT": f"{step}:{when}:kill"},
                check=False,
            )
            assert died.returncode == -signal.SIGKILL, step

            with _opened(folder, 100) as (kbm, _):
                assert "36 days" in _says(kbm)
                assert not any(one.problem for one in kbm.rebuild.check("helper")), step
            assert _state(_after(folder)) == straight, (step, when)
            shutil.rmtree(folder)


def _after(folder: Path) -> Path:
    with _opened(folder, 100) as (_, compact):
        compact.run(["helper"], NoProgress())
    return folder


def _says(kbm: Kbm) -> str:
    return kbm.retrieve.run("helper", "days of leave", Caller()).passages[0].text


def _state(folder: Path) -> dict[str, object]:
    """Tell what is there: releases, their digests as read from the files, segments, texts, vectors, bytes."""
    embedder = FakeEmbedder()
    with _opened(folder, 100, embedder) as (kbm, _):
        releases = kbm.catalogue.releases.all("helper")
        indexed = [one for one in releases if one.content is ReleaseContent.INDEXED]
        (spec,) = {one.index_spec.digest for one in releases}
        return {
            "content": [one.content for one in releases],
            "digests": [kbm.indexes.probe("helper", one.index_spec, one.seq).digest for one in indexed],
            "segments": kbm.catalogue.releases.segments("helper", spec),
            "files": sorted(path.name for path in (folder / ".kbm" / "index").rglob("*") if path.is_file()),
            "raw": sorted(path.name for path in (folder / ".kbm" / "raw").rglob("*") if path.is_file()),
            "chunks": kbm.catalogue.retention.n_chunks(),
            "vectors": kbm.vectors.count(),
            "says": _says(kbm),
        }


if __name__ == "__main__":
    _after(Path(sys.argv[1]))
