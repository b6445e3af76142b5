"""What people and cron do: each command as a whole, safe to be repeated if it was killed."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

from kbm.bootstrap import Kbm
from kbm.bootstrap.restoring import restorer
from kbm.config import load_settings
from kbm.domain.access import Rights, Subject
from kbm.domain.answers import Verdict
from kbm.domain.canary import Audience
from kbm.domain.evaluation import GoldenQuestion
from kbm.domain.fixes import Route
from kbm.domain.question_log import PastQuestion
from kbm.domain.suggestions import UNDECIDED
from kbm.errors import UsageError
from kbm.services.publish import GatePolicy
from kbm.services.retrieve import Caller
from kbm.store.lease import Leases
from kbm.testing.builders import ONE_FOLDER_TOML
from kbm.testing.fakes import FakeClock, NoProgress
from tests.faults.agents import IN_VAIN, OWNER, look
from tests.faults.company import (
    ERASED,
    FIRST_DAY,
    GPT,
    QUESTIONS,
    SOURCE,
    Company,
    CountingEmbedder,
)

BACKUP, EXPORT, PACK = "backup.tar.gz", "export", "pack"


GOLDEN = (
    GoldenQuestion(
        id="leave", question=QUESTIONS[0], expected=(f"{SOURCE}:leave.txt",), must_contain=("30 days",)
    ),
    GoldenQuestion(id="press", question=QUESTIONS[1], expected=(f"{SOURCE}:press.txt",)),
    GoldenQuestion(id="paint", question=QUESTIONS[4], expected=(f"{SOURCE}:paint.txt",)),
)


def sync(company: Company, embedder: CountingEmbedder) -> None:
    """Run ``kbm sync``."""
    with company.opened(embedder) as kbm:
        company.sync(kbm)


def approve(company: Company, embedder: CountingEmbedder) -> None:
    """Run ``kbm plans approve`` for each plan that waits."""
    with company.opened(embedder) as kbm, kbm.working("sync", SOURCE):
        for record in kbm.catalogue.plans.held():
            kbm.sync.approve(record, kbm.source_to_sync(SOURCE), "anna", NoProgress())


def connect(company: Company, embedder: CountingEmbedder) -> None:
    """Run ``kbm connect --yes``; what is connected already is told and nothing is written."""
    config, folder = company.root / "kbm.toml", company.root / "letters"
    if not config.exists():
        folder.mkdir(exist_ok=True)
        (folder / "a.txt").write_text("A letter.")
        config.write_text(ONE_FOLDER_TOML)
    with Kbm(load_settings(config), embedder=embedder) as kbm, suppress(UsageError):
        kbm.connect.write(kbm.connect.propose(str(folder), readers=["everyone"]))
    assert load_settings(config).sources.keys() == {"docs", "letters"}


def build(company: Company, embedder: CountingEmbedder) -> None:
    """Run ``kbm build``."""
    with company.opened(embedder) as kbm:
        company.build(kbm)


def add_golden(company: Company, embedder: CountingEmbedder) -> None:
    """Run ``kbm golden import``."""
    with company.opened(embedder) as kbm:
        kbm.catalogue.golden.put(GPT, GOLDEN)


def make_key(company: Company, embedder: CountingEmbedder) -> None:
    """Run ``kbm keys create``; who was not shown theirs makes another, unless it is there."""
    with company.opened(embedder) as kbm:
        if not kbm.keys.list():
            kbm.keys.create("intranet", Rights(), valid_for=None, who="anna")


def use_key(company: Company, embedder: CountingEmbedder) -> None:
    """Ask with it, as far as counting goes."""
    with company.opened(embedder) as kbm:
        [key] = kbm.keys.list()
        kbm.access.count(Subject(id=f"key:{key.id}", rights=key.rights))


def revoke_key(company: Company, embedder: CountingEmbedder) -> None:
    """Run ``kbm keys revoke``."""
    with company.opened(embedder) as kbm:
        [key] = kbm.keys.list()
        kbm.keys.revoke(key.id, who="anna")


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


def review(company: Company, embedder: CountingEmbedder) -> None:
    """Run ``kbm review`` with an agent that is quick."""
    with company.opened(embedder) as kbm, kbm.working("review", GPT):
        agents = kbm.reviewing
        agents.decide.settle(GPT, NoProgress())
        agents.verify.run(GPT, agents.log(GPT), NoProgress())
        replace(agents.review, detect=look).run(agents.gpt_to_review(GPT), NoProgress())


def prove(company: Company, embedder: CountingEmbedder) -> None:
    """Run ``kbm suggestions preview`` for each that goes into a release."""
    with company.opened(embedder) as kbm:
        for one in kbm.catalogue.suggestions.all(GPT, UNDECIDED):
            if one.route is Route.RELEASE:
                with kbm.working("preview", one.id):
                    kbm.reviewing.prove.run(one.id, NoProgress())


def decide(company: Company, embedder: CountingEmbedder) -> None:
    """Run ``kbm suggestions approve`` for each that waits; what was decided is not decided again."""
    with company.opened(embedder) as kbm:
        for one in kbm.catalogue.suggestions.all(GPT, UNDECIDED):
            with kbm.working("approve", one.id):
                kbm.reviewing.decide.approve(
                    one.id, seen=one.seal, who=OWNER, progress=NoProgress(), golden=[IN_VAIN[0]]
                )


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


def pack(company: Company, embedder: CountingEmbedder) -> None:
    """Run ``kbm pack``."""
    with company.opened(embedder) as kbm:
        kbm.make_pack.run(GPT, company.root / PACK, release="1.0.1", who="anna", progress=NoProgress())


def import_release(company: Company, embedder: CountingEmbedder) -> None:
    """Run ``kbm import``."""
    with company.opened(embedder) as kbm, kbm.working("import", "a release"):
        kbm.import_release.run(company.root / EXPORT, NoProgress())


def backup(company: Company, embedder: CountingEmbedder) -> None:
    """Run ``kbm backup --force``."""
    with company.opened(embedder) as kbm:
        kbm.backup.run(company.root / BACKUP, NoProgress(), who="cron", force=True)


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
        kbm.ask.feedback(made.id, Verdict.HELPFUL, "thank you")


def import_questions(company: Company, embedder: CountingEmbedder) -> None:
    """Run ``kbm import-questions``."""
    with company.opened(embedder) as kbm:
        past = [PastQuestion(question=one) for one in QUESTIONS]
        kbm.import_questions.run(GPT, past, who="anna", vouched=True)
        assert len(kbm.list_questions.run(GPT, FIRST_DAY)) >= len(past)


def forget(company: Company, embedder: CountingEmbedder) -> None:
    """Forget the questions of a year ago."""
    with company.on(400).opened(embedder) as kbm:
        kbm.forget_questions.run()


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
