"""A small company whose release names a chat model; built once, and copied for each test."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from kbm.bootstrap import Kbm
from kbm.services.retrieve import Caller
from kbm.testing.builders import kbm_over
from kbm.testing.fakes import FakeChatModel, FakeConnector
from tests.integration.test_ask import released

PAGES = {
    "leave.txt": "Employees get 30 days of leave a year. Leave is not paid out.",
    "press.txt": "The press KB 40 holds 40 tons. It weighs 900 kilograms.",
    "hr/pay.txt": "The pay of the board is 250,000 euros a year. Employees never see this leave list.",
}
READERS = {"hr/pay.txt": frozenset({"group:hr"})}
HR = Caller(readers=frozenset({"everyone", "group:hr"}))
QUESTION = "How many days of leave do employees get a year?"
QUOTE = "Employees get 30 days of leave a year."


@contextmanager
def company(folder: Path, chat: FakeChatModel | None, **more: Any) -> Iterator[Kbm]:
    """Open it in *folder*, which it keeps from an earlier time; *more* is for ``kbm_over``, whatever it takes."""
    if not (folder / ".kbm").exists():
        shutil.copytree(Path(_built().name) / ".kbm", folder / ".kbm")
    with kbm_over(folder, FakeConnector(items=dict(PAGES), readers=dict(READERS)), chat=chat, **more) as kbm:
        yield kbm


@cache
def _built() -> tempfile.TemporaryDirectory[str]:
    folder = tempfile.TemporaryDirectory(prefix="worded")
    connector = FakeConnector(items=dict(PAGES), readers=dict(READERS))
    with kbm_over(Path(folder.name), connector, chat=FakeChatModel()) as kbm:
        released(kbm)
    return folder
