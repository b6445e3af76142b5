"""Detectors run apart: whatever one of them does, the others' findings arrive, and nothing is changed."""

from __future__ import annotations

import gc
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from kbm.detecting.run import detect
from kbm.domain.review import Findings, Near, Pair, ReviewWindow
from kbm.ports import Vectors
from kbm.testing.fakes import NoProgress
from tests.integration import detectors

WINDOW = ReviewWindow(
    gpt="helper",
    title="Helper",
    now=datetime(2026, 11, 2, tzinfo=UTC),
    days=180,
    languages=("en",),
    readers=frozenset({"everyone"}),
    release="1.0.0",
)


class NothingThere:
    """A company without a passage."""

    def nearest(self, questions: list[str], k: int) -> list[list[Near]]:
        return [[] for _ in questions]

    def pairs(self, cosine: float) -> list[Pair]:
        return []

    def vectors(self, chunks: list[str]) -> Vectors:
        raise KeyError(chunks[0])

    def embed(self, texts: list[str], purpose: str) -> Vectors:
        return np.zeros((len(texts), 0), dtype=np.float32)

    def weights(self, words: list[str]) -> list[float]:
        return [0.0 for _ in words]

    def complete(self, prompt: str, *, max_tokens: int) -> str | None:
        return None


def let_look(*kinds: type, time_limit_s: float = 60.0) -> tuple[Mapping[str, Findings], Mapping[str, str]]:
    """Let detectors look in the order given, and an honest one after them; each is named by its class."""
    named = {f"{n} {kind.__name__}": kind for n, kind in enumerate(kinds)} | {"honest": detectors.Honest}
    paths = {name: f"{kind.__module__}:{kind.__name__}" for name, kind in named.items()}
    with NoProgress().stage("look", len(paths)) as stage:
        found, problems = detect(paths, WINDOW, NothingThere(), stage, time_limit_s=time_limit_s)  # type: ignore[arg-type]
    assert found["honest"].figures == {"questions": 0.0, "near": 0.0}
    plain = {name.partition(" ")[2] or name: one for name, one in found.items()}
    return plain, {name.partition(" ")[2]: why for name, why in problems.items()}


def test_what_a_detector_does_wrong_is_told_and_the_next_goes_on_in_the_same_process() -> None:
    found, problems = let_look(
        detectors.Raising, detectors.Greedy, detectors.Mistaken, detectors.Inventing, detectors.Forking
    )

    assert problems["Raising"] == "ZeroDivisionError: by hand"
    assert problems["Greedy"].startswith("MemoryError")
    assert "no findings" in problems["Mistaken"] or "Unexpected" in problems["Mistaken"]
    assert problems["Inventing"]
    assert problems["Forking"] == "PermissionError: detectors look and propose; os.fork is refused"
    assert set(found) == {"honest"}


def test_a_detector_that_ends_its_process_or_spoils_the_pipe_costs_the_others_nothing() -> None:
    found, problems = let_look(detectors.Dying, detectors.Babbling, detectors.Nesting, detectors.Boasting)

    assert problems == {
        "Dying": "its process ended with 7",
        "Babbling": "it sent too much",
        "Nesting": "it sent something else than a message: it is nested too deeply",
        "Boasting": "it sent too much",
    }
    assert set(found) == {"honest"}


def test_a_detector_that_hangs_is_ended_when_its_time_is_over() -> None:
    _, problems = let_look(detectors.Hanging, time_limit_s=5)

    assert problems == {"Hanging": "it took too long"}


def test_a_detector_reaches_no_network_no_database_no_program_and_no_file_but_its_own() -> None:
    found, problems = let_look(detectors.Reaching, detectors.Asking)

    assert problems == {}
    assert {name for name, came_off in found["Reaching"].figures.items() if came_off} == set()
    assert found["Asking"].figures == {"refused": 5.0}
    assert not Path("/var/tmp/kbm-detector-was-here").exists()  # noqa: S108


def test_a_detector_that_searches_every_object_finds_none_that_changes_something() -> None:
    found, problems = let_look(detectors.Searching, time_limit_s=200)

    assert problems == {}
    assert found["Searching"].figures == {}


def test_the_search_finds_what_decides_where_it_was_loaded() -> None:
    found, _ = let_look(detectors.Importing, time_limit_s=200)

    assert {"module kbm.services.decide", "object of kbm.services.decide.Decide"} & set(
        found["Importing"].figures
    )


def test_nothing_is_left_of_the_processes() -> None:
    before = children()
    let_look(detectors.Dying)
    gc.collect()

    assert children() == before


def children() -> set[str]:
    """Name the processes this one started, the dead ones that nobody asked for among them."""
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


def test_a_detector_that_cannot_be_loaded_is_told() -> None:
    with NoProgress().stage("look", 1) as stage:
        found, problems = detect({"gone": "no.such.module:Detector"}, WINDOW, NothingThere(), stage)  # type: ignore[arg-type]

    assert found == {}
    assert problems["gone"].startswith("ModuleNotFoundError")
