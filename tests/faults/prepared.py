"""What a company has been through before it is killed.

Most topics begin with the same first nights. What several of them begin with is prepared once, lies on a shelf for
the whole session, and is copied from there.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from pathlib import Path

from kbm.domain.evaluation import GoldenQuestion
from kbm.services.retrieve import Caller
from kbm.testing.fakes import NoProgress
from tests.faults.agents import IN_VAIN
from tests.faults.commands import BACKUP, EXPORT, GOLDEN, erase
from tests.faults.company import (
    ERASED,
    GPT,
    PAGES,
    QUESTIONS,
    SOURCE,
    Company,
    CountingEmbedder,
    ballast,
)

SHELF = "KBM_FAULTS_SHELF"
"""Names the shelf in the environment; without it everything is prepared anew."""


def shelved(prepare: Callable[[Company], None]) -> Callable[[Company], None]:
    """Prepare a folder once, and copy it whenever it is wanted again; nothing but its name tells it from others."""

    @wraps(prepare)
    def copied(company: Company) -> None:
        shelf = os.environ.get(SHELF)
        if shelf is None:
            prepare(company)
            return
        made = Path(shelf) / prepare.__name__
        if not made.exists():
            draft = Path(tempfile.mkdtemp(dir=shelf, prefix=".making-"))
            prepare(Company(draft))
            # Another process of the same session may have been faster: its copy is as good.
            with suppress(OSError):
                draft.rename(made)
        shutil.copytree(made, company.root, dirs_exist_ok=True)

    return copied


def nothing(company: Company) -> None:
    """Let there be a source, and nothing else."""
    company.write(PAGES)


@shelved
def a_release(company: Company) -> None:
    """Let a first night have gone by."""
    nothing(company)
    company.nights(1)


def news(company: Company) -> None:
    """Let the source have changed since: two pages new, two changed, one gone."""
    a_release(company)
    pages = {id: text for id, text in PAGES.items() if id != "waste.txt"}
    pages["leave.txt"] = "Employees get 31 days of leave a year, and six more after ten years."
    pages["press.txt"] += "\n\nIts hammer is new since March."
    pages["dogs.txt"] = "Dogs stay at the entrance."
    pages["bikes.txt"] = "Bicycles stand under the roof beside hall one."
    company.write(pages)


def narrowed(company: Company) -> None:
    """Let the source have closed two pages since."""
    a_release(company)
    company.write(PAGES, readers={"travel.txt": "group:hr", ERASED: "group:hr"})


def many_gone(company: Company) -> None:
    """Let so much be gone that a plan waits for a person."""
    company.write({**PAGES, **{f"old/{n}.txt": f"Machine {n} was sold in {1990 + n}." for n in range(12)}})
    company.nights(1)
    company.write(PAGES)
    with company.on(1).opened() as kbm:
        company.sync(kbm)


@shelved
def stored(company: Company) -> None:
    """Let the news be stored, and not built."""
    news(company)
    with company.on(9).opened() as kbm:
        company.sync(kbm)


def candidate(company: Company) -> None:
    """Let a candidate wait, and golden questions that its news have overtaken."""
    stored(company)
    with company.on(9).opened() as kbm:
        kbm.catalogue.golden.put(GPT, GOLDEN)
        company.build(kbm)


@shelved
def two_releases(company: Company) -> None:
    """Let a second release have taken over from the first."""
    a_release(company)
    company.nights(1, gone_by=1)


@shelved
def five_nights(company: Company) -> None:
    """Let a working week have gone by."""
    two_releases(company)
    company.nights(3, gone_by=2)


def other_rules(company: Company) -> None:
    """Let a candidate with other instructions wait beside live, and news be at the source."""
    news(company)
    changed = company.source().items
    company.write(PAGES)
    with company.on(9, instructions="Answer shortly.").opened() as kbm:
        company.build(kbm)
    company.write(changed)


def many_releases(company: Company) -> None:
    """Let many nights have gone by under a rule that keeps few, and put much away long ago."""
    five_nights(company)
    company.nights(1, gone_by=5)
    with company.on(7, keep=2).opened() as kbm, kbm.working("compact", GPT):
        kbm.compact.run([GPT], NoProgress())
    body = dict(company.source().items)
    for day in (8, 9, 10, 11):
        body["travel.txt"] = f"A hotel may cost {day}0 euros a night."
        company.write(body)
        with company.on(day).opened() as kbm:
            company.sync(kbm)
            company.build(kbm)
            kbm.publish.run(GPT, str(kbm.catalogue.releases.all(GPT)[0].version), who="anna", why="test")
    ballast(company.data / "catalogue.db", 8_000_000)


@shelved
def cited(company: Company) -> None:
    """Let two releases hold a person's file, and answers have quoted it."""
    a_release(company)
    company.nights(1, changed=ERASED, gone_by=1)
    with company.on(2).opened() as kbm:
        kbm.catalogue.golden.put(
            GPT, [GoldenQuestion(id="pay", question=QUESTIONS[-1], expected=(f"{SOURCE}:{ERASED}",))]
        )
        kbm.ask.run(GPT, QUESTIONS[-1], Caller())
        kbm.ask.run(GPT, QUESTIONS[0], Caller())


@shelved
def asked_in_vain(company: Company) -> None:
    """Let people have asked in vain, and one of them something that is known."""
    a_release(company)
    with company.opened() as kbm:
        for n, question in enumerate((*IN_VAIN, QUESTIONS[0])):
            kbm.ask.run(GPT, question, Caller(), user=f"person {n}")


def put_away(company: Company) -> None:
    """Let the first releases be put away, and merged away."""
    five_nights(company)
    with company.on(6, keep=2).opened() as kbm, kbm.working("compact", GPT):
        kbm.compact.run([GPT], NoProgress())


def a_backup(company: Company) -> None:
    """Let a backup have been taken, and an erasure and a night have come after it."""
    cited(company)
    with company.on(3).opened() as kbm:
        kbm.backup.run(company.root / BACKUP, NoProgress(), who="cron")
    erase(company.on(4), CountingEmbedder())
    company.write({**company.source().items, "late.txt": "Late buses go at ten and at eleven."})
    with company.on(5).opened() as kbm:
        company.night(kbm)


def an_export(company: Company) -> None:
    """Let another company have exported a release, and this one be empty."""
    nothing(company)
    (company.root / "origin").mkdir()
    origin = Company(company.root / "origin")
    two_releases(origin)
    with origin.on(2).opened() as kbm:
        kbm.export_release.run(GPT, "1.0.1", company.root / EXPORT, NoProgress())
