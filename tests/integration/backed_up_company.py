"""A company that is backed up and restored."""

from __future__ import annotations

from pathlib import Path

from kbm.bootstrap import Kbm
from kbm.bootstrap.restoring import restorer
from kbm.services.backup import Restored
from kbm.testing.builders import settings
from kbm.testing.fakes import FakeClock, FakeEmbedder, NoProgress

PAGES = {
    "leave.txt": "Employees get 30 days of leave a year, and five more after ten years.",
    "press.txt": "The press holds 40 tons and weighs 900 kilograms.",
    "maria.txt": "Maria Hartmann earns 74,250 euros and was warned for coming late in February.",
}
QUESTION = "How many days of leave do employees get a year?"


def sync(kbm: Kbm) -> None:
    kbm.sync.run(kbm.source_to_sync("docs"), NoProgress())


def build(kbm: Kbm, version: str) -> None:
    kbm.build.run(kbm.gpt_to_build("helper"), NoProgress())
    kbm.publish.run("helper", version, who="anna", why="test")


def first(kbm: Kbm) -> None:
    sync(kbm)
    build(kbm, "1.0.0")


def restore(
    folder: Path,
    file: Path,
    *,
    force: bool = False,
    ledger: Path | None = None,
    embedder: FakeEmbedder | None = None,
) -> Restored:
    made = restorer(settings(folder), clock=FakeClock(), embedder=embedder or FakeEmbedder())
    return made.run(file, NoProgress(), who="anna", force=force, ledger=ledger)
