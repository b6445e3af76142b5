"""A company that changes, releases, forgets and crashes in any order, against a model in plain dictionaries.

After every step each release holds exactly what the model says, for every reader group: each page is found by its own
words and quoted as it is, and nothing else comes back. A crash is a step that fails somewhere on its way (any fault
point, an input/output error), after which kbm is opened again; what it left must be the state before or after, piece
by piece, and every later step goes on from there.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from kbm.domain.canary import Audience
from kbm.domain.releases import ReleaseContent
from kbm.errors import ConnectorUnavailable, HeldForPerson, KbmError, ProviderUnavailable, ReleaseEvicted
from tests.property.company_checks import GPT, ITEMS, PROGRESS, SOURCE, CheckedCompany, Crash
from tests.property.company_model import EVERYONE, Page, synced, text

READERS = (
    frozenset({EVERYONE}),
    frozenset({"group:a"}),
    frozenset({"group:pilot"}),
    frozenset({"group:a", "group:pilot"}),
    frozenset[str](),
)

items = st.sampled_from(ITEMS)
readers = st.sampled_from(READERS)
crashes = st.one_of(st.none(), st.none(), st.tuples(st.integers(1, 24), st.sampled_from(["EIO", "ENOSPC"])))


class Company(CheckedCompany):
    """The company."""

    # -- the source --------------------------------------------------------------------------------------------

    @initialize(n=st.integers(2, 4))
    def first_night(self, n: int) -> None:
        """Publish the first release."""
        for item in ITEMS[:n]:
            self.write(item, READERS[0])
        self.night(None)

    def write(self, item: str, names: frozenset[str], of: str | None = None) -> None:
        self.n_texts += 1
        self.world.source[item] = Page(of or text(self.n_texts), names)
        self.connector.items[item], self.connector.readers[item] = self.world.source[item].text, names

    @rule(item=items, names=readers)
    def add_or_change(self, item: str, names: frozenset[str]) -> None:
        """Write a page, which keeps its readers if it is there."""
        kept = self.world.source.get(item)
        self.write(item, kept.readers if kept else names)

    @precondition(lambda self: self.world.source)
    @rule(item=items, data=st.data())
    def copy(self, item: str, data: st.DataObject) -> None:
        """Let a page say what another one says."""
        of = data.draw(st.sampled_from(sorted(self.world.source)))
        self.write(item, self.world.source[of].readers, self.world.source[of].text)

    @precondition(lambda self: self.world.source)
    @rule(data=st.data(), names=readers)
    def change_readers(self, data: st.DataObject, names: frozenset[str]) -> None:
        """Let others read a page."""
        item = data.draw(st.sampled_from(sorted(self.world.source)))
        self.world.source[item] = Page(self.world.source[item].text, names)
        self.connector.readers[item] = names

    @precondition(lambda self: self.world.source)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        """Delete a page."""
        item = data.draw(st.sampled_from(sorted(self.world.source)))
        del self.world.source[item], self.connector.items[item], self.connector.readers[item]

    # -- work --------------------------------------------------------------------------------------------------

    @rule(how=st.sampled_from(["complete", "complete", "complete", "incomplete", "down"]), crash=crashes)
    def sync(self, how: str, crash: Crash) -> None:
        """Sync the source."""
        self.connector.complete, self.connector.down = how != "incomplete", how == "down"
        stored = synced(self.world, complete=how == "complete")
        if how == "down":
            self.do(self.step(self._sync, refusals=(ConnectorUnavailable,)), crash)
        else:
            self.do(self.step(self._sync, stored=stored), crash)
        self.connector.complete, self.connector.down = True, False

    def _sync(self) -> None:
        with self.kbm.working("sync", SOURCE):
            self.kbm.sync.run(self.kbm.source_to_sync(SOURCE), PROGRESS)

    @precondition(lambda self: self.kbm.catalogue.plans.held())
    @rule(crash=crashes)
    def approve(self, crash: Crash) -> None:
        """Let a person agree to what a plan held."""
        [record] = self.kbm.catalogue.plans.held()
        stored = synced(self.world, approved=record.plan.held, shown=record.plan.wider)

        def act() -> None:
            with self.kbm.working("sync", SOURCE):
                self.kbm.sync.approve(record, self.kbm.source_to_sync(SOURCE), "ben", PROGRESS)

        self.do(self.step(act, stored=stored), crash)

    @rule(crash=crashes, provider=st.sampled_from(["up", "up", "up", "down"]))
    def build(self, crash: Crash, provider: str) -> None:
        """Build a candidate."""
        self.embedder.fail_after = self.embedder.n_embedded if provider == "down" else None

        def act() -> None:
            with self.kbm.working("build", GPT):
                made = self.kbm.build.run(self.kbm.gpt_to_build(GPT), PROGRESS).release
            assert self.content_of(made) == self.world.texts()

        if not self.world.stored:
            refusals: tuple[type[KbmError], ...] = (KbmError,)
        else:
            refusals = (ProviderUnavailable,) if provider == "down" else ()
        self.do(self.step(act, refusals=refusals), crash)
        self.embedder.fail_after = None

    @rule(crash=crashes)
    def night(self, crash: Crash) -> None:
        """Do what is done at night."""
        stored = synced(self.world)
        texts = {item: page.text for item, page in stored.items()}

        def act() -> None:
            with self.kbm.working("nightly", GPT):
                night = self.kbm.nightly.run(
                    [self.kbm.source_to_sync(SOURCE)],
                    [(self.kbm.gpt_to_build(GPT), self.kbm.night_policy(GPT))],
                    PROGRESS,
                    configured=[SOURCE],
                    who="night",
                )
            if stored and not crash:
                assert not night.failed_sources
                assert not night.gpts[0].error
                assert not night.upkeep

        # It finishes erasures that a crash left.
        erased = "" if self.kbm.catalogue.erasures.unfinished() else None
        self.do(self.step(act, stored=stored, live_content=texts, canary_content=texts, erased=erased), crash)

    @precondition(lambda self: self.world.releases)
    @rule(data=st.data(), crash=crashes)
    def publish(self, data: st.DataObject, crash: Crash) -> None:
        """Let any release answer."""
        version = data.draw(st.sampled_from(sorted(self.world.releases)))

        def act() -> None:
            self.kbm.publish.run(GPT, version, who="anna", why="because")

        refusals = () if self.world.releases[version].is_askable else (KbmError,)
        self.do(self.step(act, live=version, refusals=refusals), crash)

    @precondition(lambda self: self.world.previous)
    @rule(crash=crashes)
    def roll_back(self, crash: Crash) -> None:
        """Let the release before answer again."""

        def act() -> None:
            self.kbm.publish.roll_back(GPT, to=self.world.previous, who="anna", reason="it was better")

        self.do(self.step(act, live=self.world.previous), crash)

    # -- canaries ----------------------------------------------------------------------------------------------

    @precondition(lambda self: self.world.live and not self.world.canary)
    @rule(crash=crashes)
    def start_canary(self, crash: Crash) -> None:
        """Let the pilot group get the newest candidate."""
        newest = next((str(one.version) for one in self.releases() if one.state == "candidate"), None)
        if newest is None or not self.world.releases[newest].is_askable:
            return

        def act() -> None:
            audience = Audience(group="group:pilot")
            self.kbm.canary.start(
                GPT, newest, audience, max_drop=0.03, who="anna", why="try", progress=PROGRESS
            )

        self.do(self.step(act, canary=newest, refusals=(HeldForPerson,)), crash)

    @precondition(lambda self: self.world.canary)
    @rule(crash=crashes)
    def stop_canary(self, crash: Crash) -> None:
        """Let everybody get live."""
        self.do(self.step(lambda: self.kbm.canary.stop(GPT, who="anna", why="no good"), canary=None), crash)

    @precondition(lambda self: self.world.canary)
    @rule(crash=crashes)
    def promote_canary(self, crash: Crash) -> None:
        """Let everybody get what the pilot group got."""
        content = self.world.releases[self.world.canary or ""].content

        def act() -> None:
            with self.kbm.working("canary", GPT):
                made = self.kbm.canary.promote(GPT, max_drop=0.03, who="anna", why="good", progress=PROGRESS)
            assert made.version.rc is None or str(made.version) == self.world.live

        refusals = (HeldForPerson,)
        self.do(self.step(act, canary=None, live_content=content, refusals=refusals), crash)

    # -- keeping small, forgetting, coming back ----------------------------------------------------------------

    @rule(crash=crashes, everything=st.booleans())
    def compact(self, crash: Crash, everything: bool) -> None:
        """Keep it small."""

        def act() -> None:
            with self.kbm.working("compact", GPT):
                compact = self.kbm.compact
                done = compact.run([GPT], PROGRESS) if everything else compact.after_publish(GPT, PROGRESS)
                assert not done.problems

        self.do(self.step(act), crash)

    @precondition(lambda self: any(not one.is_askable for one in self.world.releases.values()))
    @rule(data=st.data(), crash=crashes)
    def bring_back(self, data: st.DataObject, crash: Crash) -> None:
        """Bring back a release that was put away."""
        away = sorted(version for version, one in self.world.releases.items() if not one.is_askable)
        release = self.kbm.catalogue.releases.get(GPT, data.draw(st.sampled_from(away)))

        def act() -> None:
            with self.kbm.working("bring back", GPT):
                self.kbm.rebuild.bring_back(GPT, release, PROGRESS)

        purged = release.content is ReleaseContent.PURGED
        self.do(self.step(act, refusals=(ReleaseEvicted,) if purged else ()), crash)

    @precondition(lambda self: self.world.stored.keys() - self.world.erased)
    @rule(data=st.data(), crash=crashes)
    def erase(self, data: st.DataObject, crash: Crash) -> None:
        """Erase a page from everywhere."""
        item = data.draw(st.sampled_from(sorted(self.world.stored)))

        def act() -> None:
            with self.kbm.working("erase", ""):
                self.kbm.erase.run(f"{SOURCE}:{item}", who="anna", reason="asked for", progress=PROGRESS)

        stored = {id: page for id, page in self.world.stored.items() if id != item}
        self.do(self.step(act, stored=stored, erased=item), crash)

    @precondition(lambda self: self.kbm.catalogue.erasures.unfinished())
    @rule(crash=crashes)
    def resume_erasures(self, crash: Crash) -> None:
        """Finish what a crash left."""
        self.do(self.step(self.resume, erased=""), crash)
        if not crash:
            assert not self.kbm.catalogue.erasures.unfinished()

    @rule()
    def restart(self) -> None:
        """Close it and open it again."""
        self.kbm.close()
        self.open()
        self.is_new = True

    @rule(by=st.sampled_from([{"days": 1}, {"days": -1}, {"hours": 1}, {"hours": -1}]))
    def clock_jumps(self, by: dict[str, int]) -> None:
        """Set the clock."""
        self.clock.jump(**by)

    @rule(days=st.sampled_from([1, 1, 1, 100]))
    def time_goes_by(self, days: int) -> None:
        """Wait; after a hundred days what was put away may be purged."""
        self.clock.advance(days=days)


Company.TestCase.settings = settings(
    max_examples=4,
    stateful_step_count=30,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
TestCompany = Company.TestCase
