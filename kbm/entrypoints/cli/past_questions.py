"""Reads questions of a help desk from CSV, JSON or JSONL, and tells every line of it that cannot be used."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kbm.domain.answers import Outcome
from kbm.domain.question_log import PastQuestion
from kbm.domain.questions import clean_question
from kbm.errors import BadQuestion, UsageError

COLUMNS = ("question", "asked_at", "user", "outcome", "answered", "count")
MAX_COUNT = 1_000_000

_YES, _NO = {"yes", "true", "1", "ja", "oui", "y", "j"}, {"no", "false", "0", "nein", "non", "n"}
_FORMS = (
    "%d.%m.%Y %H:%M:%S",
    "%d.%m.%Y %H:%M",
    "%d.%m.%Y",
    "%d/%m/%Y %H:%M:%S",
    "%d/%m/%Y %H:%M",
    "%d/%m/%Y",
)
_FAULTS_TOLD = 10
_HINT = f"columns: {', '.join(COLUMNS)}; only question is needed"

Row = Mapping[str, Any]
"""One entry by column; Any is JSON."""


class _Unusable(ValueError):
    """What is wrong with one line."""


def read_past_questions(file: Path) -> tuple[list[PastQuestion], list[str]]:
    """Read a whole file; also gives the columns of it that mean nothing here.

    Raises:
        UsageError: it cannot be read, or lines of it cannot be used; each is named, and nothing is to be imported.
    """
    try:
        data = file.read_bytes()
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from None
    found: list[PastQuestion] = []
    faults: list[str] = []
    ignored: set[str] = set()
    for where, row in _rows(file, _decoded(file, data)):
        known = {str(name).strip().casefold(): value for name, value in row.items() if name is not None}
        ignored |= set(known) - set(COLUMNS)
        try:
            if None in row:
                raise _Unusable("it has more cells than the header; put quotes around text with separators")
            found.append(_question(known))
        except (_Unusable, BadQuestion) as error:
            faults.append(f"{where}: {error}")
    if faults:
        more = f"\n… and {len(faults) - _FAULTS_TOLD} more" if len(faults) > _FAULTS_TOLD else ""
        told = "\n".join(faults[:_FAULTS_TOLD])
        raise UsageError(f"{file}: nothing was imported\n{told}{more}", hint=_HINT)
    return found, sorted(ignored)


def _decoded(file: Path, data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise UsageError(f"{file} is UTF-16; nothing was imported", hint="save it as UTF-8")
    try:
        return data.decode("cp1252")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UsageError(
            f"{file}, line {line}: neither UTF-8 nor cp1252; nothing was imported", hint="save it as UTF-8"
        ) from None


def _rows(file: Path, text: str) -> Iterator[tuple[str, Row]]:
    """Give each entry with where it stands."""
    match file.suffix.casefold():
        case ".json":
            yield from _json(file, text)
        case ".jsonl" | ".ndjson":
            for n, line in enumerate(text.split("\n"), start=1):
                if line.strip():
                    yield f"line {n}", _object(_parsed(file, line, n), f"line {n}", file)
        case _:
            yield from _csv(file, text)


def _json(file: Path, text: str) -> Iterator[tuple[str, Row]]:
    entries = _parsed(file, text, 1)
    if isinstance(entries, dict) and isinstance(entries.get("questions"), list):
        entries = entries["questions"]
    if not isinstance(entries, list):
        raise UsageError(f"{file} is no list of questions; nothing was imported", hint=_HINT)
    for n, entry in enumerate(entries, start=1):
        yield f"question {n}", _object(entry, f"question {n}", file)


def _parsed(file: Path, text: str, line: int) -> Any:
    """Parse JSON; Any is what it may hold."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise UsageError(
            f"{file}, line {line + error.lineno - 1}: no JSON: {error.msg}; nothing was imported", hint=_HINT
        ) from None
    except RecursionError:
        raise UsageError(f"{file}: nested too deep; nothing was imported", hint=_HINT) from None


def _object(entry: Any, where: str, file: Path) -> Row:
    """Take a text for a question alone; Any is JSON."""
    if isinstance(entry, str):
        return {"question": entry}
    if not isinstance(entry, dict):
        raise UsageError(f"{file}, {where}: neither an object nor a text; nothing was imported", hint=_HINT)
    return entry


def _csv(file: Path, text: str) -> Iterator[tuple[str, Row]]:
    header = text.partition("\n")[0]
    delimiter = max(";,\t", key=header.count) if any(one in header for one in ";,\t") else ","
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    begins = 2
    try:
        names = [name.strip().casefold() for name in reader.fieldnames or ()]
        if "question" not in names:
            raise UsageError(
                f"{file}, line 1: no column 'question', only: {', '.join(names) or 'nothing'}; "
                "nothing was imported",
                hint=_HINT,
            )
        for row in reader:
            yield f"line {begins}", row
            begins = reader.line_num + 1
    except csv.Error as error:
        raise UsageError(f"{file}, line {begins}: {error}; nothing was imported", hint=_HINT) from None


def _question(row: Row) -> PastQuestion:
    asked = row.get("question")
    if not isinstance(asked, str):
        raise _Unusable("no question")
    return PastQuestion(
        question=clean_question(asked),
        asked_at=_moment(row.get("asked_at")),
        user=_text(row.get("user")),
        outcome=_outcome(_text(row.get("outcome")), _text(row.get("answered"))),
        n_asked=_count(_text(row.get("count"))),
    )


def _text(value: Any) -> str:
    """Give a cell as text; Any is JSON."""
    return "" if value is None else str(value).strip()


def _moment(value: Any) -> datetime | None:
    """Read a day or a moment, in UTC where no zone is named; Any is JSON."""
    said = _text(value)
    if not said:
        return None
    try:
        read = datetime.fromisoformat(said)
    except ValueError:
        for form in _FORMS:
            try:
                read = datetime.strptime(said, form)
                break
            except ValueError:
                continue
        else:
            raise _Unusable(f"asked_at {said!r} is no date; write 2026-11-24 or 2026-11-24T10:30") from None
    return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)


def _outcome(outcome: str, answered: str) -> Outcome | None:
    if outcome and answered:
        raise _Unusable("both outcome and answered are given; give one")
    if outcome:
        if outcome.casefold() not in set(Outcome):
            raise _Unusable(f"outcome {outcome!r} is none of: {', '.join(Outcome)}")
        return Outcome(outcome.casefold())
    if answered and answered.casefold() not in _YES | _NO:
        raise _Unusable(f"answered {answered!r} is neither yes nor no")
    if not answered:
        return None
    return Outcome.ANSWERED if answered.casefold() in _YES else Outcome.UNANSWERED


def _count(said: str) -> int:
    if not said:
        return 1
    if not said.isascii() or not said.isdigit() or not 1 <= int(said[:10]) <= MAX_COUNT:
        raise _Unusable(f"count {said!r} is no number from 1 to {MAX_COUNT:,}")
    return int(said)
