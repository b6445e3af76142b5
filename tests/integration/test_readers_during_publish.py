"""Eight readers at full speed while releases are built, published, rolled back and merged beside them.

Each release says everything in another edition, so that an answer shows which release each of its quotes comes from.
"""

from __future__ import annotations

import random
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from kbm.bootstrap import Kbm
from kbm.config import load_settings
from kbm.testing.builders import ONE_FOLDER_TOML
from kbm.testing.fakes import FakeConnector, NoProgress

N_READERS, N_CYCLES, BUILD_EVERY = 8, 100, 20
MACHINES = (
    "press",
    "lathe",
    "crane",
    "oven",
    "mill",
    "saw",
    "pump",
    "boiler",
    "kiln",
    "drill",
    "robot",
    "welder",
)
PAUSE_S = 0.01
EDITION = re.compile(r"edition e(\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What came back: the release named, the texts shown, and which releases could answer by then."""

    release: str
    texts: tuple[str, ...]
    published: frozenset[str]


Reader = Callable[[str], tuple[str, tuple[str, ...]]]


@dataclass(slots=True)
class Line:
    """The releases of one GPT, published and rolled back by a process that only writes."""

    kbm: Kbm
    source: FakeConnector
    edition: dict[str, int] = field(default_factory=dict)
    texts: dict[str, frozenset[str]] = field(default_factory=dict)
    published: frozenset[str] = frozenset()

    def release(self) -> None:
        """Publish the next edition."""
        n = len(self.edition)
        for name in MACHINES:
            self.source.items[f"{name}.txt"] = (
                f"In edition e{n} the {name} runs at {1000 + n} turns a minute."
            )
        with self.kbm.working("build", "helper"):
            self.kbm.sync.run(self.kbm.source_to_sync("docs"), NoProgress())
            made = self.kbm.build.run(self.kbm.gpt_to_build("helper"), NoProgress()).release
        version = str(made.version)
        self.edition[version] = n
        self.texts[version] = frozenset(self.source.items.values())
        self.published |= {version}
        self.kbm.publish.run("helper", version, who="anna", why="next edition")
        with self.kbm.working("compact", "helper"):
            assert not self.kbm.compact.run(["helper"], NoProgress()).problems

    def go_back(self, chance: random.Random) -> None:
        """Let any earlier edition answer again."""
        version = chance.choice(sorted(self.published))
        self.kbm.publish.roll_back("helper", to=version, who="anna", reason="test")

    def cycles(self) -> None:
        """Move the pointer a hundred times."""
        chance = random.Random(5)
        for n in range(N_CYCLES):
            if n % BUILD_EVERY == 0:
                self.release()
            else:
                self.go_back(chance)
            time.sleep(PAUSE_S)


@contextmanager
def line(folder: Path) -> Iterator[Line]:
    """Open the side that writes, with a first edition."""
    (folder / "docs").mkdir()
    (folder / "kbm.toml").write_text(ONE_FOLDER_TOML, encoding="utf-8")
    source = FakeConnector()
    with Kbm(load_settings(folder / "kbm.toml"), connectors={"docs": source}) as kbm:
        made = Line(kbm, source)
        made.release()
        yield made


def read_while(work: Line, readers: list[Reader]) -> list[Said]:
    """Let every reader ask as fast as it can until the work is done; give all that was said.

    Raises:
        Exception: the first error that a reader or the work met.
    """
    done = threading.Event()
    said: list[Said] = []
    errors: list[Exception] = []

    def read(ask: Reader, seed: int) -> None:
        chance = random.Random(seed)
        while not done.is_set():
            try:
                release, texts = ask(f"At how many turns runs the {chance.choice(MACHINES)}?")
            except Exception as error:  # handed to the test, which raises it
                errors.append(error)
                return
            said.append(Said(release=release, texts=texts, published=work.published))

    threads = [threading.Thread(target=read, args=(ask, seed)) for seed, ask in enumerate(readers)]
    for one in threads:
        one.start()
    try:
        work.cycles()
    finally:
        done.set()
        for one in threads:
            one.join()
    if errors:
        raise errors[0]
    return said


def assert_each_answer_is_of_one_release(work: Line, said: list[Said]) -> None:
    """Check every text against the release that is named with it."""
    assert len(said) > N_CYCLES
    assert {one.release for one in said} == work.published
    for one in said:
        editions = {int(found[1]) for text in one.texts if (found := EDITION.search(text))}
        assert one.release in one.published
        assert editions == {work.edition[one.release]}
        for text in one.texts:
            assert any(text in whole for whole in work.texts[one.release])


@pytest.mark.slow
def test_readers_over_http_get_one_release_an_answer(tmp_path: Path) -> None:
    with line(tmp_path) as work, served(tmp_path) as url:
        clients = [httpx.Client(base_url=url, timeout=30) for _ in range(N_READERS)]

        def reader(client: httpx.Client, at: int) -> Reader:
            def ask(question: str) -> tuple[str, tuple[str, ...]]:
                made = (
                    client.post("/v1/gpts/helper/ask", json={"question": question}).raise_for_status().json()
                )
                return made["release"], tuple(one["quote"] for one in made["citations"])

            def search(question: str) -> tuple[str, tuple[str, ...]]:
                body = {"query": question, "k": 5}
                found = client.post("/v1/gpts/helper/search", json=body).raise_for_status().json()
                return found["release"], tuple(one["text"] for one in found["hits"])

            return ask if at % 2 else search

        said = read_while(work, [reader(client, at) for at, client in enumerate(clients)])
        for client in clients:
            client.close()

    assert_each_answer_is_of_one_release(work, said)


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Run the service in a process of its own; gives its address."""
    command = [sys.executable, "-m", "kbm", "serve", "--port", "0"]
    log = folder / "serve.log"
    with log.open("w") as stderr:
        server = subprocess.Popen(command, cwd=folder, stderr=stderr, stdout=subprocess.DEVNULL)
        try:
            yield _address(log)
        finally:
            server.terminate()
            assert server.wait(timeout=20) == 0


def _address(log: Path) -> str:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        found = re.search(r"http://127\.0\.0\.1:\d+", log.read_text(encoding="utf-8"))
        if found:
            return found[0]
        time.sleep(0.05)
    raise AssertionError("the server did not start within a minute")
