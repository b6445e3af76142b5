"""The topics: what is prepared, which commands then run, and which steps they are to be killed at.

A topic owns the steps it names; together the topics own every step there is. Commands are those of people and cron,
and each is repeated as a whole if it was killed: what it says when there is nothing left to do is no fault.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from kbm.domain.known_gaps import GapState
from kbm.domain.suggestions import IN_EFFECT, SuggestionState
from kbm.services.retrieve import Caller
from kbm.store.exports import ExportFolders
from kbm.store.restores import Restores
from kbm.testing.fakes import FakeClock
from tests.faults import commands, prepared
from tests.faults.agents import IN_VAIN
from tests.faults.commands import BACKUP, EXPORT, PACK
from tests.faults.company import (
    GPT,
    Company,
    CountingEmbedder,
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


# -- what else must hold at the end -------------------------------------------------------------------------------


def nothing_beside(company: Company) -> list[str]:
    """Say what commands left beside the data folder."""
    known = {
        *("source.json", "sent.txt", "done", "told.json", "log.txt", "origin", ".kbm", BACKUP, EXPORT, PACK),
        *("kbm.toml", "letters"),
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


def whole_pack(company: Company) -> list[str]:
    """Say what is wrong with a pack."""
    names = {path.name for path in (company.root / PACK).iterdir()}
    wrong = [] if f"{GPT}-1.0.1-README.md" in names and len(names) > 1 else ["I6: the pack is not whole"]
    return wrong + nothing_beside(company)


def whole_backup(company: Company) -> list[str]:
    """Say what is wrong with a backup."""
    restores = Restores(company.root / "elsewhere", FakeClock())
    restores.unpack(company.root / BACKUP)
    restores.drop()
    return nothing_beside(company)


def in_effect(company: Company) -> list[str]:
    """Say what is wrong after people decided: what they approved is done, and answers."""
    with company.opened() as kbm:
        states = {one.fix.kind: one.state for one in kbm.catalogue.suggestions.all(GPT)}
        wrong = [f"{kind} is {state}" for kind, state in states.items() if state not in IN_EFFECT]
        if SuggestionState.VERIFIED not in states.values() or len(states) != 2:
            wrong.append(f"suggestions stand as {states}")
        gaps = [one for one in kbm.journal.gaps.all(GPT) if one.state is not GapState.CLOSED]
        made = kbm.ask.answer(kbm.retrieve.run(GPT, IN_VAIN[0], Caller()))
        wrong += [f"gap {one.id} is {one.state}" for one in gaps]
        if "gate three" not in made.text:
            wrong.append("what was approved does not answer")
    return [f"I6: {one}" for one in wrong] + nothing_beside(company)


def restored(company: Company) -> list[str]:
    """Say what is wrong with a restored company: what was erased since the backup must not be back."""
    return [*residue(company), *nothing_beside(company)]


TOPICS = {
    "first": Topic(
        prepare=prepared.nothing,
        commands=(commands.night,),
        day=0,
        points=(
            *("database.upgrade", "secret.write", "secret.name", "lease.take", "lease.release", "job.begin"),
            *("job.end", "raw.write", "raw.name", "parse.record", "sync.cursor"),
        ),
    ),
    "sync": Topic(
        prepare=prepared.news, commands=(commands.sync,), points=("sync.remove", "sync.store", "sync.plan")
    ),
    "readers": Topic(prepare=prepared.narrowed, commands=(commands.sync,), points=("sync.readers",)),
    "plans": Topic(
        prepare=prepared.many_gone, commands=(commands.approve,), points=("sync.approve", "sync.decide")
    ),
    "build": Topic(
        prepare=prepared.stored,
        commands=(commands.build,),
        points=(
            *("build.chunks", "build.sweep", "build.vectors", "build.segment", "build.known", "build.record"),
            *("seal.again", "seal.bitmap", "seal.manifest", "seal.name"),
        ),
    ),
    "publish": Topic(
        prepare=prepared.candidate,
        commands=(commands.publish,),
        points=("publish.gate", "publish.review", "publish.pointer"),
    ),
    "connect": Topic(prepare=prepared.a_release, commands=(commands.connect,), points=("connect.write",)),
    "golden": Topic(prepare=prepared.a_release, commands=(commands.add_golden,), points=("golden.store",)),
    "keys": Topic(
        prepare=prepared.a_release,
        commands=(commands.make_key, commands.use_key, commands.revoke_key),
        points=("keys.create", "keys.use", "keys.end"),
    ),
    "rollback": Topic(
        prepare=prepared.two_releases, commands=(commands.roll_back,), points=("rollback.pointer",)
    ),
    "canary": Topic(
        prepare=prepared.other_rules,
        commands=(commands.start_canary, commands.night, commands.promote),
        instructions="Answer shortly.",
        points=("canary.start", "canary.rebase", "canary.end"),
    ),
    "nightly": Topic(
        prepare=prepared.news, commands=(commands.night,), points=("report.write", "report.send")
    ),
    "compact": Topic(
        prepare=prepared.many_releases,
        commands=(commands.compact,),
        day=60,
        keep=2,
        points=(
            *("merge.write", "merge.commit", "merge.refit", "merge.sweep"),
            *("compact.evict", "compact.purge", "compact.vectors", "compact.vacuum"),
        ),
    ),
    "erase": Topic(
        prepare=prepared.cited,
        commands=(commands.erase,),
        check=residue,
        points=(
            *("erase.withdraw", "erase.list", "erase.journal", "journal.redact", "erase.vectors"),
            *("erase.releases", "erase.text", "erase.rows", "erase.raw", "erase.vacuum"),
            *("erase.certificate", "erase.forget"),
        ),
    ),
    "review": Topic(
        prepare=prepared.asked_in_vain,
        commands=(
            *(commands.review, commands.prove, commands.decide, commands.build, commands.publish),
            commands.review,
        ),
        check=in_effect,
        points=(
            *("review.gaps", "review.suggestions", "review.preview", "decide.store", "sync.again"),
            *("review.states", "decide.applied", "review.gap"),
        ),
    ),
    "export": Topic(
        prepare=prepared.two_releases,
        commands=(commands.export,),
        points=("export.write",),
        check=whole_export,
    ),
    "pack": Topic(
        prepare=prepared.two_releases, commands=(commands.pack,), points=("pack.write",), check=whole_pack
    ),
    "import": Topic(
        prepare=prepared.an_export,
        commands=(commands.import_release,),
        points=("import.store", "import.show"),
    ),
    "backup": Topic(
        prepare=prepared.two_releases,
        commands=(commands.backup,),
        check=whole_backup,
        points=("backup.databases", "backup.files", "backup.publish"),
    ),
    "restore": Topic(
        prepare=prepared.a_backup,
        commands=(commands.restore,),
        swaps=True,
        check=restored,
        points=("restore.unpack", "restore.erasures", "restore.aside", "restore.publish"),
    ),
    "doctor": Topic(prepare=prepared.two_releases, commands=(commands.doctor,), points=("rebuild.vectors",)),
    "rebuild": Topic(prepare=prepared.put_away, commands=(commands.bring_back,), points=("rebuild.seal",)),
    "journal": Topic(
        prepare=prepared.a_release,
        commands=(commands.ask, commands.import_questions, commands.forget),
        points=("journal.record", "journal.feedback", "journal.import", "journal.forget", "journal.drop"),
    ),
    "lease": Topic(
        prepare=prepared.a_release,
        commands=(commands.stopped_holder, commands.take_over),
        points=("lease.fence", "lease.renew"),
    ),
}
