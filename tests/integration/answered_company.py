"""A company whose answers leave receipts, for the tests about these."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from kbm.bootstrap import Kbm
from kbm.domain.answers import Answer
from kbm.domain.receipts import Verification
from kbm.services.retrieve import Caller
from kbm.testing.fakes import FakeConnector, NoProgress

PAGES = {
    "leave.txt": "Employees get 30 days of leave a year. Leave is asked for four weeks ahead.",
    "press.txt": "The press KB 40 holds 40 tons. It weighs 900 kilograms.",
    "travel.txt": "Employees travel by train in second class. Flights are approved by the head of travel.",
    "hr/pay.txt": "The pay of the board is 250,000 euros a year.",
}
LEAVE = "How many days of leave do employees get?"
HR = Caller(readers=frozenset({"everyone", "group:hr"}))
HR_ONLY = frozenset({"group:hr"})


def company() -> FakeConnector:
    return FakeConnector(items=dict(PAGES), readers={"hr/pay.txt": HR_ONLY})


def sync(kbm: Kbm) -> None:
    kbm.sync.run(kbm.source_to_sync("docs"), NoProgress())


def released(kbm: Kbm) -> Kbm:
    sync(kbm)
    made = kbm.build.run(kbm.gpt_to_build("helper"), NoProgress()).release
    kbm.publish.run("helper", str(made.version), who="anna", why="test")
    return kbm


def asked(kbm: Kbm, question: str = LEAVE, caller: Caller | None = None, **more: str) -> Answer:
    made = kbm.ask.run("helper", question, caller or Caller(), **more)  # type: ignore[arg-type]
    kbm.ask.settle()
    return made


def verified(kbm: Kbm, answer: Answer, question: str | None = None) -> Verification:
    return kbm.receipt.verify(answer.id, question=question)[1]


def tamper(folder: Path, database: str, statement: str, *values: object) -> None:
    with sqlite3.connect(folder / ".kbm" / f"{database}.db") as connection:
        assert connection.execute(statement, values).rowcount > 0
    connection.close()


def bytes_of_the_journal(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted((folder / ".kbm").glob("journal.db*")))
