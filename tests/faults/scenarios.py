"""The topics: what is prepared, which commands then run, and which steps they are to be killed at.

A topic owns the steps it names; together the topics own every step there is. Commands are those of people and cron,
and each is repeated as a whole if it was killed: what it says when there is nothing left to do is no fault.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from kbm.bootstrap.restoring import restorer
from kbm.domain.answers import Verdict
from kbm.domain.canary import Audience
from kbm.domain.evaluation import GoldenQuestion
from kbm.services.publish import GatePolicy
from kbm.services.retrieve import Caller
from kbm.store.exports import ExportFolders
from kbm.store.lease import Leases
from kbm.store.restores import Restores
from kbm.testing.fakes import FakeClock, NoProgress
from tests.faults.company import (
    ERASED,
    FIRST_DAY,
    GPT,
    PAGES,
    QUESTIONS,
    SOURCE,
    Company,
    CountingEmbedder,
    ballast,
)
from tests.faults.oracle import residue

Command = Callable[[Company, CountingEmbedder], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """What is killed. ``points`` are its own steps, ``day`` is the day of its commands."""

    points: tuple[str, ...]
    prepare: Callable[[Company], None]
    commands: tuple[Command, ...]
    day: int = 10
    keep: int = 30
    instructions: str = ""
    swaps: bool = False  # puts another state in the place of the whole, instead of adding to it
    check: Callable[[Company], list[str]] = field(default=lambda _: [])

    def company(self, root: Path) -> Company:
        """Give the company of a folder as this topic's commands see it."""
        return Company(root, day=self.day, keep=self.keep, instructions=self.instructions)


# -- what is prepared ---------------------------------------------------------------------------------------------


def nothing(company: Company) -> None:
    """Let there be a source, and nothing else."""
    company.write(PAGES)


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


def two_releases(company: Company) -> None:
    """Let a second release have taken over from the first."""
    nothing(company)
    company.nights(2)


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
    nothing(company)
    company.nights(6)
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


def cited(company: Company) -> None:
    """Let two releases hold a person's file, and answers have quoted it."""
    nothing(company)
    company.nights(2, changed=ERASED)
    with company.on(2).opened() as kbm:
        kbm.catalogue.golden.put(
            GPT, [GoldenQuestion(id="pay", question=QUESTIONS[-1], expected=(f"{SOURCE}:{ERASED}",))]
        )
        kbm.ask.run(GPT, QUESTIONS[-1], Caller())
        kbm.ask.run(GPT, QUESTIONS[0], Caller())


def put_away(company: Company) -> None:
    """Let the first releases be put away, and merged away."""
    nothing(company)
    company.nights(5)
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


BACKUP, EXPORT = "backup.tar.gz", "export"

GOLDEN = (
    GoldenQuestion(
        id="leave", question=QUESTIONS[0], expected=(f"{SOURCE}:leave.txt",), must_contain=("30 days",)
    ),
    GoldenQuestion(id="press", question=QUESTIONS[1], expected=(f"{SOURCE}:press.txt",)),
    GoldenQuestion(id="paint", question=QUESTIONS[4], expected=(f"{SOURCE}:paint.txt",)),
)


# -- commands -----------------------------------------------------------------------------------------------------


def sync(company: Company, embedder: CountingEmbedder) -> None:
    """Run ``kbm sync``."""
    with company.opened(embedder) as kbm:
        company.sync(kbm)


def approve(company: Company, embedder: CountingEmbedder) -> None:
    """Run ``kbm plans approve`` for each plan that waits."""
    with company.opened(embedder) as kbm, kbm.working("sync", SOURCE):
        for record in kbm.catalogue.plans.held():
            kbm.sync.approve(record, kbm.source_to_sync(SOURCE), "anna", NoProgress())


def build(company: Company, embedder: CountingEmbedder) -> None:
    """Run ``kbm build``."""
    with company.opened(embedder) as kbm:
        company.build(kbm)


def add_golden(company: Company, embedder: CountingEmbedder) -> None:
    """Run ``kbm golden import``."""
    with company.opened(embedder) as kbm:
        kbm.catalogue.golden.put(GPT, GOLDEN)


def publish(company: Company, embedder: CountingEmbedder) -> None:
    """Run ``kbm publish`` for the newest release."""
    with company.opened(embedder) as kbm:
        version = str(kbm.catalogue.releases.all(GPT)[0].version)
        policy = GatePolicy(max_drop=0.03)
        kbm.gated_publish.run(GPT, version, policy, NoProgress(), who="anna", why="looks good")


def roll_back(company: Company, embedder: CountingEmbedder) -> None:
    """Run ``kbm rollback --to 1.0.0``."""
    with company.opened(embedder) as kbm:
        kbm.publish.roll_back(GPT, to="1.0.0", who="anna", reason="a wrong page")


def night(company: Company, embedder: CountingEmbedder) -> None:
    """Run ``kbm nightly``."""
    with company.opened(embedder) as kbm:
        company.night(kbm)


def start_canary(company: Company, embedder: CountingEmbedder) -> None:
    """Run ``kbm publish --canary``; one that is under way is not started twice."""
    with company.opened(embedder) as kbm:
        if kbm.catalogue.canaries.running(GPT) is None:
            version = str(kbm.catalogue.releases.all(GPT)[0].version)
            audience = Audience.parse("group:hr")
            kbm.canary.start(
                GPT, version, audience, max_drop=0.03, who="anna", why="try", progress=NoProgress()
            )


def promote(company: Company, embedder: CountingEmbedder) -> None:
    """Run ``kbm canary promote``; one that has ended is not promoted twice."""
    with company.opened(embedder) as kbm:
        if kbm.catalogue.canaries.running(GPT) is not None:
            kbm.canary.promote(GPT, max_drop=0.03, who="anna", why="good", progress=NoProgress())


def compact(company: Company, embedder: CountingEmbedder) -> None:
    """Run ``kbm compact``."""
    with company.opened(embedder) as kbm, kbm.working("compact", GPT):
        problems = kbm.compact.run([GPT], NoProgress()).problems
    for error in problems:
        raise error


def erase(company: Company, embedder: CountingEmbedder) -> None:
    """Run ``kbm erase``."""
    with company.opened(embedder) as kbm, kbm.working("erase", "a document"):
        kbm.erase.run(f"{SOURCE}:{ERASED}", who="dpo", reason="Art. 17", progress=NoProgress())


def bring_back(company: Company, embedder: CountingEmbedder) -> None:
    """Bring the first release back that was put away."""
    with company.opened(embedder) as kbm, kbm.working("rebuild", GPT):
        kbm.rebuild.bring_back(GPT, kbm.catalogue.releases.get(GPT, "1.0.0"), NoProgress())


def doctor(company: Company, embedder: CountingEmbedder) -> None:
    """Begin the vectors anew, as ``kbm doctor --fix`` does with damaged ones."""
    with company.opened(embedder) as kbm, kbm.working("doctor", "vectors"):
        kbm.rebuild.fix_vectors()
        kbm.fill_vectors.run(NoProgress())


def export(company: Company, embedder: CountingEmbedder) -> None:
    """Run ``kbm export``; a folder that is there is whole, and is not written twice."""
    with company.opened(embedder) as kbm, kbm.working("export", GPT):
        if not (company.root / EXPORT).exists():
            kbm.export_release.run(GPT, "1.0.1", company.root / EXPORT, NoProgress())


def import_release(company: Company, embedder: CountingEmbedder) -> None:
    """Run ``kbm import``."""
    with company.opened(embedder) as kbm, kbm.working("import", "a release"):
        kbm.import_release.run(company.root / EXPORT, NoProgress())


def backup(company: Company, embedder: CountingEmbedder) -> None:
    """Run ``kbm backup``."""
    with company.opened(embedder) as kbm:
        kbm.backup.run(company.root / BACKUP, NoProgress(), who="cron")


def restore(company: Company, embedder: CountingEmbedder) -> None:
    """Run ``kbm restore --force``."""
    clock = FakeClock(FIRST_DAY + timedelta(days=company.day))
    restorer(company.settings(), clock=clock, embedder=embedder).run(
        company.root / BACKUP, NoProgress(), who="anna", force=True, ledger=None
    )


def ask(company: Company, embedder: CountingEmbedder) -> None:
    """Ask, and say what it was worth."""
    with company.opened(embedder) as kbm:
        made = kbm.ask.run(GPT, QUESTIONS[0], Caller(), user="ben")
        kbm.ask.close()
        kbm.ask.feedback(made.id, Verdict.HELPFUL, "thank you")


def forget(company: Company, embedder: CountingEmbedder) -> None:
    """Forget the questions of a year ago."""
    with company.on(400).opened(embedder) as kbm:
        kbm.forget_questions.run()


# -- the lease ----------------------------------------------------------------------------------------------------


def stopped_holder(company: Company, embedder: CountingEmbedder) -> None:
    """Let another process hold the lease, and be stopped in the middle of its work."""
    del embedder
    holder = os.fork()
    if holder == 0:
        with company.opened() as kbm, kbm.catalogue.leases.hold("a night that hangs"):
            os.kill(os.getpid(), signal.SIGSTOP)
        os._exit(0)
    (company.root / "holder.pid").write_text(str(holder))
    os.waitpid(holder, os.WUNTRACED)


def take_over(company: Company, embedder: CountingEmbedder) -> None:
    """Hold the lease a day later, long enough to renew it."""
    with company.on(company.day + 1).opened(embedder) as kbm:
        leases = kbm.catalogue.leases
        often = Leases(leases._reads, leases._fence, kbm.clock, company.data, renew_every_s=0.02)
        with often.hold("another night"):
            time.sleep(0.2)


# -- what else must hold at the end -------------------------------------------------------------------------------


def nothing_beside(company: Company) -> list[str]:
    """Say what commands left beside the data folder."""
    known = {
        *("source.json", "sent.txt", "done", "told.json", "log.txt", "origin", ".kbm", BACKUP, EXPORT),
    }
    return [
        f"I5: {path.name} is left beside the data folder"
        for path in company.root.iterdir()
        if path.name not in known and ".before-" not in path.name
    ]


def whole_export(company: Company) -> list[str]:
    """Say what is wrong with an export."""
    export, _ = ExportFolders().read(company.root / EXPORT)
    wrong = [] if str(export.release.version) == "1.0.1" else ["I6: another release was exported"]
    return wrong + nothing_beside(company)


def whole_backup(company: Company) -> list[str]:
    """Say what is wrong with a backup."""
    restores = Restores(company.root / "elsewhere", FakeClock())
    restores.unpack(company.root / BACKUP)
    restores.drop()
    return nothing_beside(company)


def restored(company: Company) -> list[str]:
    """Say what is wrong with a restored company: what was erased since the backup must not be back."""
    return [*residue(company), *nothing_beside(company)]


TOPICS = {
    "first": Topic(
        prepare=nothing,
        commands=(night,),
        day=0,
        points=(
            *("database.upgrade", "secret.write", "secret.name", "lease.take", "lease.release", "job.begin"),
            *("job.end", "raw.write", "raw.name", "parse.record", "sync.cursor"),
        ),
    ),
    "sync": Topic(prepare=news, commands=(sync,), points=("sync.remove", "sync.store", "sync.plan")),
    "readers": Topic(prepare=narrowed, commands=(sync,), points=("sync.readers",)),
    "plans": Topic(prepare=many_gone, commands=(approve,), points=("sync.approve", "sync.decide")),
    "build": Topic(
        prepare=stored,
        commands=(build,),
        points=(
            *("build.chunks", "build.sweep", "build.vectors", "build.segment", "build.known", "build.record"),
            *("seal.again", "seal.bitmap", "seal.manifest", "seal.name"),
        ),
    ),
    "publish": Topic(
        prepare=candidate, commands=(publish,), points=("publish.gate", "publish.review", "publish.pointer")
    ),
    "golden": Topic(prepare=a_release, commands=(add_golden,), points=("golden.store",)),
    "rollback": Topic(prepare=two_releases, commands=(roll_back,), points=("rollback.pointer",)),
    "canary": Topic(
        prepare=other_rules,
        commands=(start_canary, night, promote),
        instructions="Answer shortly.",
        points=("canary.start", "canary.rebase", "canary.end"),
    ),
    "nightly": Topic(prepare=news, commands=(night,), points=("report.write", "report.send")),
    "compact": Topic(
        prepare=many_releases,
        commands=(compact,),
        day=60,
        keep=2,
        points=(
            *("merge.write", "merge.commit", "merge.refit", "merge.sweep"),
            *("compact.evict", "compact.purge", "compact.vectors", "compact.vacuum"),
        ),
    ),
    "erase": Topic(
        prepare=cited,
        commands=(erase,),
        check=residue,
        points=(
            *("erase.withdraw", "erase.list", "erase.journal", "journal.redact", "erase.vectors"),
            *("erase.releases", "erase.text", "erase.rows", "erase.raw", "erase.vacuum"),
            *("erase.certificate", "erase.forget"),
        ),
    ),
    "export": Topic(prepare=two_releases, commands=(export,), points=("export.write",), check=whole_export),
    "import": Topic(prepare=an_export, commands=(import_release,), points=("import.store", "import.show")),
    "backup": Topic(
        prepare=two_releases,
        commands=(backup,),
        check=whole_backup,
        points=("backup.databases", "backup.files", "backup.publish"),
    ),
    "restore": Topic(
        prepare=a_backup,
        commands=(restore,),
        swaps=True,
        check=restored,
        points=("restore.unpack", "restore.erasures", "restore.aside", "restore.publish"),
    ),
    "doctor": Topic(prepare=two_releases, commands=(doctor,), points=("rebuild.vectors",)),
    "rebuild": Topic(prepare=put_away, commands=(bring_back,), points=("rebuild.seal",)),
    "journal": Topic(
        prepare=a_release,
        commands=(ask, forget),
        points=("journal.record", "journal.feedback", "journal.forget"),
    ),
    "lease": Topic(
        prepare=a_release, commands=(stopped_holder, take_over), points=("lease.fence", "lease.renew")
    ),
}
