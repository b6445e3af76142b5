"""Verify the written company: the tests and the demo lean on every promise made here."""

from __future__ import annotations

import csv
import json
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pypdfium2

from .questions import read_asked
from .text import rows_of, text_of

_GOLDEN_COLUMNS = [
    "id",
    "question",
    "language",
    "expected",
    "must_contain",
    "must_not_contain",
    "critical",
    "readers",
    "answerable",
    "origin",
]
_REASONS = {"missing", "retrieval_miss", "stale", "conflict", "wrong_scope", "thin", "blocked", "off_topic"}
_MAX_BYTES = 2_500_000
_LOCKED = "dms/service/manuals/kb90/Schaltplan_KB90_geschuetzt.pdf"


class Company:
    """The written files, looked up as kbm does: source and item id."""

    def __init__(self, root: Path) -> None:
        self.root = root
        settings = tomllib.loads((root / "kbm.toml").read_text(encoding="utf-8"))
        self.sources: dict[str, dict[str, Any]] = settings["sources"]
        self.gpts: dict[str, dict[str, Any]] = settings["gpts"]
        self._text = cache(self._read)

    def text(self, reference: str) -> str | None:
        """Return the text behind ``source:item_id``, None if there is no such item."""
        return self._text(reference)

    def _read(self, reference: str) -> str | None:
        name, _, item = reference.partition(":")
        source = self.sources.get(name)
        if source is None:
            return None
        if source["kind"] == "rows":
            folder, _, pattern = source["url"].rpartition("/")
            files = (self.root / folder).glob(pattern)
            return next((rows[item] for rows in map(rows_of, files) if item in rows), None)
        path = self.root / source["url"] / item
        return text_of(path) if path.is_file() and self._in_scope(source, item) else None

    @staticmethod
    def _in_scope(source: dict[str, Any], item: str) -> bool:
        return not any(item.startswith(pattern.removesuffix("**")) for pattern in source.get("exclude", []))

    def may_read(self, reference: str, readers: str) -> bool:
        return bool({"everyone", readers} & set(self.sources[reference.partition(":")[0]]["readers"]))


def complaints(root: Path, content: Path) -> Iterator[str]:
    company = Company(root)
    for gpt in company.gpts:
        yield from _golden(company, gpt)
    yield from _log(company, content)
    yield from _files(root)


def _golden(company: Company, gpt: str) -> Iterator[str]:
    with (company.root / "golden" / f"{gpt}.csv").open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file, strict=True)
        rows = list(reader)
    if reader.fieldnames != _GOLDEN_COLUMNS:
        yield f"golden/{gpt}.csv: columns are {reader.fieldnames}"
    if len(rows) != 30 or len({row["id"] for row in rows}) != 30:
        yield f"golden/{gpt}.csv: {len(rows)} rows"
    refused = [row for row in rows if row["answerable"] == "no"]
    hidden = [row for row in refused if row["readers"] == "everyone" and row["must_not_contain"]]
    if len(refused) < 5 or len(hidden) < 3:
        yield f"golden/{gpt}.csv: {len(refused)} unanswerable, {len(hidden)} hidden"
    for row in rows:
        where = f"golden/{gpt}.csv {row['id']}"
        if None in row or None in row.values() or row["answerable"] not in {"yes", "no"}:
            yield f"{where}: malformed"
            continue
        expected = _split(row["expected"])
        if bool(expected) != (row["answerable"] == "yes"):
            yield f"{where}: expected and answerable disagree"
        yield from (f"{where}: {line}" for line in _expectation(company, gpt, row, expected))


def _expectation(company: Company, gpt: str, row: dict[str, str], expected: Sequence[str]) -> Iterator[str]:
    for reference in expected:
        text = company.text(reference)
        if text is None:
            yield f"{reference} does not exist"
            continue
        if reference.partition(":")[0] not in company.gpts[gpt]["sources"]:
            yield f"{reference} is no source of this GPT"
        if not company.may_read(reference, row["readers"]):
            yield f"{row['readers']} may not read {reference}"
        yield from (
            f"{fact!r} not in {reference}" for fact in _split(row["must_contain"]) if fact not in text
        )
    if not expected and row["must_not_contain"]:
        # A fact to be kept from somebody must really be there, or the test proves nothing.
        facts = _split(row["must_not_contain"])
        if not any(fact in _secret_text(company, gpt) for fact in facts):
            yield "none of must_not_contain stands in a restricted source"


@cache
def _secret_text(company: Company, gpt: str) -> str:
    texts: list[str] = []
    for name in company.gpts[gpt]["sources"]:
        source = company.sources[name]
        if "everyone" not in source["readers"]:
            path = company.root / source["url"]
            files = [path] if path.is_file() else sorted(path.rglob("*.*"))
            texts += [text_of(file) for file in files]
    return " ".join(texts)


def _split(cell: str) -> list[str]:
    return [part for part in cell.split("|") if part]


def _log(company: Company, content: Path) -> Iterator[str]:
    lines = (company.root / "questions" / "log.jsonl").read_text(encoding="utf-8").splitlines()
    log = [json.loads(line) for line in lines]
    reasons = Counter(entry["reason"] for entry in log)
    print("reasons:", dict(reasons.most_common()), "users:", len({entry["user"] for entry in log}))
    print("gaps:", Counter(entry["gap"] for entry in log if entry["gap"]).most_common())
    print("languages:", Counter(entry["language"] for entry in log).most_common())
    if len(log) != 300 or {reason for reason in reasons if reason} != _REASONS:
        yield f"log: {len(log)} questions, reasons {sorted(map(str, reasons))}"
    if log != sorted(log, key=lambda entry: str(entry["asked_at"])):
        yield "log: not in the order of time"
    if not all("2026-10-26" <= entry["asked_at"] < "2026-11-23" for entry in log):
        yield "log: a question outside the four weeks"
    if len({(entry["gpt"], entry["question"]) for entry in log}) != len(log):
        yield "log: a wording occurs twice"
    for asked in read_asked(content / "questions"):
        if asked.item and company.text(asked.item) is None:
            yield f"answered.tsv: {asked.item} does not exist"
        if asked.item and asked.item.partition(":")[0] not in company.gpts[asked.gpt]["sources"]:
            yield f"answered.tsv: {asked.item} is no source of {asked.gpt}"


def _files(root: Path) -> Iterator[str]:
    files = [path for path in root.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files)
    print(f"files: {len(files)}, {size / 1024:.0f} kB", dict(Counter(path.suffix for path in files)))
    if size > _MAX_BYTES:
        yield f"{size} bytes, allowed are {_MAX_BYTES}"
    for path in sorted(root.glob("dms/**/*.pdf")):
        try:
            pages = len(pypdfium2.PdfDocument(path))
        except pypdfium2.PdfiumError:
            pages = 0
        if (pages == 0) != (path == root / _LOCKED):
            fault = "cannot be opened" if pages == 0 else "should need a password"
            yield f"{path.relative_to(root)}: {fault}"
