"""What a step of the company may leave, and what must hold after it."""

from __future__ import annotations

import contextlib
import logging
import shutil
import tempfile
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import structlog
from hypothesis import note
from hypothesis.stateful import RuleBasedStateMachine, invariant

from kbm import faults
from kbm.bootstrap import Kbm
from kbm.domain.answers import Outcome
from kbm.domain.releases import Release, ReleaseContent
from kbm.errors import KbmError, ReleaseEvicted
from kbm.sections import ReleaseSection
from kbm.services.retrieve import Caller
from kbm.testing import builders
from kbm.testing.fakes import FakeClock, FakeConnector, FakeEmbedder, NoProgress
from tests.property.company_model import EVERYONE, Made, Page, World, between, question

GPT, SOURCE = "helper", "docs"
ITEMS = tuple(f"d{n}.txt" for n in range(6))
KEEP = 2
CALLERS = {
    "everyone": frozenset({EVERYONE}),
    "a": frozenset({EVERYONE, "group:a"}),
    "pilot": frozenset({EVERYONE, "group:pilot"}),
}
PROGRESS = NoProgress()

Crash = tuple[int, str] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A piece of work, and what it may leave; ``live`` and ``canary`` tell which releases may be pointed to."""

    act: Callable[[], object]
    stored: dict[str, Page]
    lives: frozenset[str | None]
    canaries: frozenset[str | None]
    live_content: dict[str, str] | None = None  # a release of this content may be live, too
    canary_content: dict[str, str] | None = None
    erased: str | None = None
    refusals: tuple[type[KbmError], ...] = ()


class CheckedCompany(RuleBasedStateMachine):
    """A company in a folder of its own, beside its model; ``test_company_machine`` has its rules."""

    def __init__(self) -> None:
        super().__init__()
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
        self.folder = Path(tempfile.mkdtemp())
        self.world = World()
        self.n_texts = 0
        self.turn = 0
        self.is_new = False  # something happened since all was looked at
        self.is_sound = True  # nothing failed yet: what teardown would find then is no news
        self.connector, self.clock, self.embedder = FakeConnector(), FakeClock(), FakeEmbedder()
        made = builders.settings(self.folder)
        section = made.gpts[GPT].model_copy(update={"release": ReleaseSection(keep=KEEP)})
        self.settings = made.model_copy(update={"gpts": {GPT: section}})
        self.open()

    def open(self) -> None:
        """Open kbm anew."""
        self.kbm = Kbm(
            self.settings,
            clock=self.clock,
            connectors={SOURCE: self.connector},
            embedder=self.embedder,
            indexes=builders.IndexesLookedAtHere(self.settings.data_dir / "index"),
        )

    def teardown(self) -> None:
        """Look at every index and at the audit log once more, and throw all away."""
        faults.arm("")
        try:
            if self.is_sound:
                self.do(self.step(self.resume, erased=""), None)
                assert not self.kbm.catalogue.erasures.unfinished()
                self.every_index_is_what_the_catalogue_says()
            assert self.kbm.catalogue.audit.verify().broken is None
        finally:
            self.kbm.close()
            shutil.rmtree(self.folder)

    def resume(self) -> None:
        """Finish the erasures that a crash left."""
        with self.kbm.working("erase", ""):
            self.kbm.erase.resume(PROGRESS)

    def step(
        self,
        act: Callable[[], object],
        *,
        stored: dict[str, Page] | None = None,
        live: str | None = "same",
        canary: str | None = "same",
        live_content: dict[str, str] | None = None,
        canary_content: dict[str, str] | None = None,
        erased: str | None = None,
        refusals: tuple[type[KbmError], ...] = (),
    ) -> Step:
        """Say what a piece of work may leave; what is not named stays as it is."""
        world = self.world
        return Step(
            act=act,
            stored=world.stored if stored is None else stored,
            lives=frozenset({world.live if live == "same" else live}),
            canaries=frozenset({world.canary if canary == "same" else canary}),
            live_content=live_content,
            canary_content=canary_content,
            erased=erased,
            refusals=refusals,
        )

    def do(self, step: Step, crash: Crash) -> None:
        """Do it, perhaps until it fails on its way; then take over what it left, which must be before or after."""
        done = self.is_sound = False
        if crash:
            faults.arm(f"*:{crash[0]}:{crash[1]}")
        try:
            step.act()
            done = True
        except step.refusals as error:
            note(f"refused: {error!r}")
        except Exception as error:
            if not crash or len(faults.steps_reached()) < crash[0]:
                raise
            note(f"crashed: {error!r}")
        finally:
            faults.arm("")
        if crash:
            self.kbm.close()
            self.open()
        self.settle(step, done=done)
        self.is_sound = self.is_new = True

    # -- what must hold ----------------------------------------------------------------------------------------

    def releases(self) -> list[Release]:
        return self.kbm.catalogue.releases.all(GPT)

    def settle(self, step: Step, *, done: bool) -> None:
        """Take over what is there now, each piece of which must be as before or as after."""
        before, world = deepcopy(self.world), self.world
        self._settle_erasures(step, done=done)
        world.stored = self._stored()
        world.last |= {item: page.readers for item, page in before.stored.items() if item not in world.stored}
        if done:
            assert world.stored == step.stored
        for item in before.stored.keys() | step.stored.keys() | world.stored.keys():
            assert world.stored.get(item) in between(before.stored, step.stored, item), item
        self._settle_releases(before, step)
        live, previous = (
            str(one.version) if one else None
            for one in (self.kbm.catalogue.releases.live(GPT), self.kbm.catalogue.releases.previous(GPT))
        )
        canary = self._canary()
        for now, then, named, content in (
            (live, before.live, step.lives, step.live_content),
            (canary, before.canary, step.canaries, step.canary_content),
        ):
            if now == then and not done:
                continue
            by_content = content is not None and (
                now == then or (now is not None and world.releases[now].content == content)
            )
            assert now in named or by_content, (now, then, named)
        assert previous == (before.previous if live == before.live else before.live)
        if live is not None and live != before.live:
            world.moves.append((self.clock.now(), live))
        world.live, world.previous, world.canary = live, previous, canary

    def _settle_erasures(self, step: Step, *, done: bool) -> None:
        erasures = self.kbm.catalogue.erasures
        item = step.erased
        begun = bool(item) and erasures.find(erasures.key(SOURCE, item or "")) is not None
        assert not done or begun or not item
        if item and begun:
            self.world.erased.add(item)
        for made in self.world.releases.values() if begun else ():
            made.content.pop(item or "", None)

    def _settle_releases(self, before: World, step: Step) -> None:
        redacting = step.erased is not None
        pointed = set(self.kbm.catalogue.retention.pointed(GPT).values())
        for one in self.releases():
            version = str(one.version)
            askable = one.content is ReleaseContent.INDEXED
            made = self.world.releases.get(version)
            if made is None:
                contents = [self.world.texts()]
                contents += [before.releases[before.canary].content] if before.canary else []
                content = self.content_of(one)
                assert content in contents
                self.world.releases[version] = Made(content, one.digest, askable)
                continue
            assert made.digest == one.digest or redacting
            assert askable or one.seq not in pointed
            made.digest, made.is_askable = one.digest, askable

    def _stored(self) -> dict[str, Page]:
        names = self.kbm.catalogue.documents.known(SOURCE)
        found = {}
        for one in self.kbm.catalogue.documents.current_versions([SOURCE]):
            data = self.kbm.raw.get(one.content)
            assert data is not None
            found[one.item_id] = Page(data.decode(), names[one.item_id].readers)
        assert found.keys() == names.keys()
        return found

    def content_of(self, release: Release) -> dict[str, str]:
        lines = self.kbm.catalogue.releases.manifest(GPT, release.seq)
        return {line.item_id: (self.kbm.raw.get(line.content) or b"").decode() for line in lines}

    def _canary(self) -> str | None:
        running = self.kbm.catalogue.canaries.running(GPT)
        return str(self.kbm.catalogue.releases.at(GPT, running.seq).version) if running else None

    @invariant()
    def what_must_hold(self) -> None:
        """Look at everything, if a step may have changed it."""
        if self.is_new:
            self.every_release_holds_exactly_its_content()
            self.live_answers_each_reader_group_from_its_content()
        self.is_new = False

    def every_index_is_what_the_catalogue_says(self) -> None:
        """Read all bytes of every index."""
        for one in self.releases():
            if one.content is ReleaseContent.INDEXED:
                index = self.kbm.indexes.open(GPT, one.index_spec, one.seq, one.index_digest)
                assert index.verify() == one.index_digest

    def every_release_holds_exactly_its_content(self) -> None:
        """Ask every release, one reader group a step."""
        self.turn += 1
        name = sorted(CALLERS)[self.turn % len(CALLERS)]
        for version, made in self.world.releases.items():
            if not made.is_askable:
                with contextlib.suppress(ReleaseEvicted):
                    self.kbm.retrieve.run(GPT, "archive", Caller(readers=CALLERS[name]), release=version)
                    raise AssertionError(f"{version} was put away, yet it answers")
                continue
            assert self.shown(version, CALLERS[name]) == self.world.readable(version, CALLERS[name])

    def shown(self, version: str, caller: frozenset[str]) -> dict[str, str]:
        found = self.kbm.retrieve.run(
            GPT, "office archive", Caller(readers=caller), release=version, k=2 * len(ITEMS)
        )
        # What several pages say in the same words comes once, with the others named beside it.
        return {
            item: passage.text
            for passage in found.passages
            for item in (passage.item_id, *(place.item_id for place in passage.also_in))
        }

    def live_answers_each_reader_group_from_its_content(self) -> None:
        """Ask for each page by its own words, and for those that must not come back."""
        if self.world.live is None:
            return
        for caller in CALLERS.values():
            answers = self.world.live
            if self.world.canary and "group:pilot" in caller:
                answers = self.world.canary
            readable = self.world.readable(answers, caller)
            for of in sorted(set(readable.values())):
                found = self.kbm.retrieve.run(GPT, question(of), Caller(readers=caller))
                answer = self.kbm.ask.answer(found)
                assert answer.release == answers
                assert answer.outcome is Outcome.ANSWERED
                assert any(question(of) in one.quote for one in answer.citations)
                for one in answer.citations:
                    assert one.quote in readable[one.passage.item_id]

    @invariant()
    def each_moment_has_its_release(self) -> None:
        """Ask which release answered now, by the log of moves."""
        found = self.kbm.catalogue.releases.as_of(GPT, self.clock.now())
        assert (str(found.version) if found else None) == self.world.at(self.clock.now())
