"""A small company whose people ask in vain: what agents look at in tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kbm.bootstrap import Kbm
from kbm.services.retrieve import Caller
from kbm.services.review import Reviewed
from kbm.testing.builders import kbm_over
from kbm.testing.fakes import FakeClock, FakeConnector, NoProgress

OWNER = "owner@test.example"

PRESSES = {
    "kb40.txt": "The press KB 40 holds 40 tons. It weighs 900 kilograms. Its oil is changed every year.",
    "kb65.txt": "The press KB 65 holds 65 tons. It weighs 1,400 kilograms. Its filter is changed every month.",
    "leave.txt": "Employees get 30 days of leave a year. Leave is asked for four weeks ahead.",
}
TRAVEL = {
    "cars.txt": "Employees are paid 38 cents per kilometre for a trip with their own car. "
    "The trip with the own car is entered in the travel form within ten days.",
}
KILOMETRES = (
    "what is paid per kilometre for a trip with the own car",
    "how many cents per kilometre for the own car",
    "cents per kilometre trip own car",
    "paid per kilometre with my own car",
)
HEALTHY = (
    "How many tons does the press KB 40 hold?",
    "How many days of leave do employees get?",
    "What does the press KB 65 weigh?",
)


@contextmanager
def company(folder: Path, clock: FakeClock | None = None, **more: object) -> Iterator[Kbm]:
    """Open a company: helper answers from presses, the source travel is stored and belongs to another GPT."""
    sources = {"presses": FakeConnector(items=dict(PRESSES)), "travel": FakeConnector(items=dict(TRAVEL))}
    gpts = {"helper": ["presses"], "clerk": ["travel"]}
    with kbm_over(folder, sources, gpts=gpts, clock=clock, **more) as kbm:  # type: ignore[arg-type]
        yield kbm


def released(kbm: Kbm) -> Kbm:
    """Bring both GPTs up to date."""
    night(kbm)
    return kbm


def night(kbm: Kbm) -> None:
    """Run a night without agents."""
    sources = [kbm.source_to_sync(name) for name in kbm.settings.sources]
    gpts = [(kbm.gpt_to_build(name), kbm.night_policy(name)) for name in kbm.settings.gpts]
    object.__setattr__(kbm.nightly, "review", None)
    done = kbm.nightly.run(sources, gpts, NoProgress(), configured=kbm.settings.sources, who="night")

    assert not [one.error for one in done.gpts if one.error], done


def ask_in_vain(kbm: Kbm, questions: tuple[str, ...] = KILOMETRES, people: int = 6) -> None:
    """Let several people ask the failing questions, and the healthy ones."""
    clock = kbm.clock
    assert isinstance(clock, FakeClock)
    for n in range(people):
        for at, question in enumerate((*questions, *HEALTHY)):
            kbm.ask.run("helper", question, Caller(), user=f"person-{n}-{at}")
            clock.advance(minutes=1)
    kbm.ask.settle()


def review(kbm: Kbm, gpt: str = "helper") -> Reviewed:
    """Let the installed agents look."""
    return kbm.reviewing.review_one(gpt, NoProgress())
