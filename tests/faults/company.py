"""A small company on disk: the source is a JSON file, everything else is what kbm itself made of it.

The same folder is opened by many short processes, one after another, so nothing that matters lives in memory. Time
stands still at a named day: a run that is repeated after a crash sees the clock of the first one.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ClassVar, Literal

from kbm.bootstrap import Kbm
from kbm.config import Settings
from kbm.domain.report import Report
from kbm.ports import Vectors
from kbm.services.build import GptToBuild
from kbm.services.nightly import NightPolicy
from kbm.testing.builders import settings
from kbm.testing.fakes import FakeClock, FakeConnector, FakeEmbedder, NoProgress

GPT, SOURCE = "helper", "docs"
FIRST_DAY = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)
ERASED = "people/maria-hartmann.txt"
SECRET_WORDS = ("Maria Hartmann", "74,250 euros", "maria-hartmann")

PAGES = {
    "leave.txt": "Employees get 30 days of leave a year, and five more after ten years.",
    "press.txt": "The press holds 40 tons and weighs 900 kilograms.\n\nIts oil is changed every 500 hours.",
    "travel.txt": "A hotel may cost 120 euros a night in Germany and 150 euros in France.",
    "yard.txt": "Every employee may park in the yard behind hall seven.\n\nThe gate closes at nine.",
    "canteen.txt": "The canteen opens at noon and has two dishes, one of them without meat.",
    "phones.txt": "The hotline answers under extension 4711 from seven in the morning.",
    "paint.txt": "Red paint dries in six hours, blue paint in eight.",
    "warranty.txt": "The warranty of a machine ends after 24 months or 4000 hours.",
    "visitors.txt": "Visitors sign the book at the entrance and wear a green badge.",
    "waste.txt": "Used oil goes into the yellow barrel beside hall two.",
    ERASED: "Maria Hartmann earns 74,250 euros.\n\nShe was warned for coming late in February.",
}

QUESTIONS = (
    "How many days of leave do employees get a year?",
    "How many tons does the press hold?",
    "What may a hotel in France cost?",
    "When does the canteen open?",
    "How long does red paint dry?",
    "Where does used oil go?",
    "Who was warned for coming late?",
)


class CountingEmbedder(FakeEmbedder):
    """Tells passages from questions: only passages are stored, and must not be embedded twice."""

    def __init__(self) -> None:
        super().__init__()
        self.n_passages = 0

    def embed(self, texts: Sequence[str], purpose: Literal["passage", "question"]) -> Vectors:
        """Embed *texts*."""
        if purpose == "passage":
            self.n_passages += len(texts)
        return super().embed(texts, purpose)


class Postbox:
    """Writes down which reports were sent."""

    name: ClassVar[str] = "postbox"

    def __init__(self, path: Path) -> None:
        self._path = path

    def send(self, report: Report) -> None:
        """Take a report."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(f"{report.id}\n")


@dataclass(frozen=True, slots=True)
class Company:
    """A folder: ``source.json`` beside ``.kbm``. ``day`` counts from :data:`FIRST_DAY`."""

    root: Path
    day: int = 0
    keep: int = 30
    instructions: str = ""

    @property
    def data(self) -> Path:
        """The data folder."""
        return self.root / ".kbm"

    def on(self, day: int, *, keep: int | None = None, instructions: str | None = None) -> Company:
        """Give the same company on another day, or with other settings."""
        return replace(
            self,
            day=day,
            keep=self.keep if keep is None else keep,
            instructions=self.instructions if instructions is None else instructions,
        )

    def write(self, items: Mapping[str, str], readers: Mapping[str, str] | None = None) -> None:
        """Let the source hold these items; *readers* names a group for single ones."""
        body = {"items": dict(items), "readers": dict(readers or {})}
        (self.root / "source.json").write_text(json.dumps(body), encoding="utf-8")

    def source(self) -> FakeConnector:
        """Read the source."""
        body = json.loads((self.root / "source.json").read_text(encoding="utf-8"))
        return FakeConnector(
            items=body["items"],
            readers={id: frozenset({group}) for id, group in body["readers"].items()},
        )

    def settings(self) -> Settings:
        """Give what ``kbm.toml`` would say."""
        made = settings(self.root, [SOURCE])
        gpt = made.gpts[GPT]
        release = gpt.release.model_copy(update={"keep": self.keep, "purge_after": "30d"})
        gpt = gpt.model_copy(update={"release": release, "instructions": self.instructions})
        return made.model_copy(update={"gpts": {GPT: gpt}})

    @contextmanager
    def opened(self, embedder: FakeEmbedder | None = None) -> Iterator[Kbm]:
        """Open kbm on the folder."""
        with Kbm(
            self.settings(),
            clock=FakeClock(FIRST_DAY + timedelta(days=self.day)),
            connectors={SOURCE: self.source()},
            embedder=embedder or CountingEmbedder(),
        ) as kbm:
            yield kbm

    # -- what people and cron do -----------------------------------------------------------------------------

    def sync(self, kbm: Kbm) -> None:
        """Run ``kbm sync``."""
        with kbm.working("sync", SOURCE):
            kbm.sync.run(kbm.source_to_sync(SOURCE), NoProgress())

    def build(self, kbm: Kbm) -> str:
        """Run ``kbm build``; gives the number."""
        with kbm.working("build", GPT):
            return str(kbm.build.run(kbm.gpt_to_build(GPT), NoProgress()).release.version)

    def night(self, kbm: Kbm) -> None:
        """Run ``kbm nightly``; a part of it that fails raises what it failed with."""
        todo: list[tuple[GptToBuild, NightPolicy]] = [(kbm.gpt_to_build(GPT), kbm.night_policy(GPT))]
        with kbm.working("nightly", GPT) as job:
            night = kbm.nightly.run(
                [kbm.source_to_sync(SOURCE)],
                todo,
                NoProgress(),
                configured=kbm.settings.sources,
                who="night",
            )
        report = replace(kbm.report, notifiers={"postbox": lambda: Postbox(self.root / "sent.txt")})
        reported = report.run(night, job)
        for error in (*night.failed_sources.values(), *night.upkeep, *(one.error for one in night.gpts)):
            if error is not None:
                raise error
        if reported.problems:
            raise OSError("; ".join(reported.problems))

    def nights(self, n: int, changed: str = "leave.txt", *, gone_by: int = 0) -> None:
        """Let *n* nights go by after those *gone_by*, one page changing before each; the first of all finds all."""
        body = dict(self.source().items)
        for at in range(gone_by, gone_by + n):
            if at:
                body[changed] = f"{PAGES[changed]} Edition {at} of this page."
                self.write(body)
            with self.on(self.day + at).opened() as kbm:
                self.night(kbm)


def ballast(path: Path, n_bytes: int) -> None:
    """Leave free pages in a database, as deleting much does."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE ballast (body BLOB)")
        connection.execute("INSERT INTO ballast VALUES (zeroblob(?))", (n_bytes,))
        connection.commit()
        connection.execute("DROP TABLE ballast")
        connection.commit()
