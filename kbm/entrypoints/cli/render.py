"""What a person at a terminal sees: progress, tables, errors. Data goes to stdout, the rest to stderr."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

from kbm.errors import KbmError
from kbm.ports import Stage

_PIPE_WIDTH = 160
"""Columns of tables that go to a file or another program."""

out = Console(
    highlight=False, emoji=False, soft_wrap=True, width=None if sys.stdout.isatty() else _PIPE_WIDTH
)
err = Console(stderr=True, highlight=False, emoji=False, soft_wrap=True)

_PLAIN_EVERY_S = 5.0
_STEERS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Control characters of terminals and of writing direction; tab and line break are harmless."""


class TerminalProgress:
    """Bars in a terminal, plain lines elsewhere; always on stderr."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet

    @contextmanager
    def stage(self, label: str, total: int | None = None) -> Iterator[Stage]:
        """Show a stage while the block runs."""
        if self._quiet:
            yield _Silent()
        elif err.is_terminal:
            columns = (
                SpinnerColumn(),
                TextColumn("{task.description:<22}"),
                BarColumn(bar_width=32),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TextColumn("[dim]{task.fields[note]}"),
            )
            with Progress(*columns, console=err) as progress:
                yield _Bar(progress, label, total)
        else:
            lines = _Lines(label, total)
            yield lines
            lines.end()

    def say(self, text: str) -> None:
        """Print a line that stays."""
        if not self._quiet:
            err.print(plain(text))


class _Silent:
    def advance(self, n: int = 1, note: str = "") -> None:
        """Show nothing."""

    def total(self, n: int) -> None:
        """Show nothing."""


class _Bar:
    def __init__(self, progress: Progress, label: str, total: int | None) -> None:
        self._progress = progress
        self._task = progress.add_task(label, total=total, note="")

    def advance(self, n: int = 1, note: str = "") -> None:
        """Move the bar."""
        shown = note if len(note) <= 40 else f"…{note[-39:]}"
        self._progress.update(self._task, advance=n, note=plain(shown))

    def total(self, n: int) -> None:
        """Set the bar's end."""
        self._progress.update(self._task, total=n)


class _Lines:
    def __init__(self, label: str, total: int | None) -> None:
        self._label, self._total, self._n = label, total, 0
        self._started = self._said = time.monotonic()

    def advance(self, n: int = 1, note: str = "") -> None:
        """Print a line now and then."""
        self._n += n
        if time.monotonic() - self._said >= _PLAIN_EVERY_S:
            self._said = time.monotonic()
            self._print()

    def total(self, n: int) -> None:
        """Set the total."""
        self._total = n

    def end(self) -> None:
        """Print the last line."""
        self._print(f" in {time.monotonic() - self._started:.1f} s")

    def _print(self, more: str = "") -> None:
        of = f" {self._n}" + (f" of {self._total}" if self._total is not None else "") if self._n else ""
        err.print(plain(f"{self._label}:{of}{more}" if of else f"{self._label}{more}"))


def print_json(value: Any) -> None:
    """Write a result for a program; Any because every command has its own."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def plain(text: object) -> str:
    """Make any text safe to print: no markup, and no control characters that would steer the terminal."""
    readable = "".join("\N{REPLACEMENT CHARACTER}" if _STEERS.match(char) else char for char in str(text))
    return escape(readable)


def counted(n: int, noun: str) -> str:
    """Write a number with its noun: ``1 source``, ``3 sources``."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], *, empty: str) -> None:
    """Write a table for a person; *empty* says what to do when there is nothing yet. Columns named ``n …`` or ending
    in ``#`` are aligned right.
    """
    if not rows:
        out.print(plain(empty))
        return
    made = Table(title=title or None, title_justify="left", header_style="bold", pad_edge=False)
    for name in columns:
        made.add_column(name.rstrip("#"), justify="right" if name.endswith("#") else "left", overflow="fold")
    for row in rows:
        made.add_row(*(plain("" if cell is None else str(cell)) for cell in row))
    out.print(made)


def fail(error: KbmError, *, as_json: bool) -> typer.Exit:
    """Tell an error in one paragraph and give the exit that goes with it."""
    if as_json:
        print_json({"error": {"code": error.code, "detail": str(error), "hint": error.hint}})
    else:
        label = "held" if error.exit_code == 3 else "busy" if error.exit_code == 75 else "error"
        hint = f" [dim]→ {plain(error.hint)}[/dim]" if error.hint else ""
        err.print(f"[bold red]{label}:[/bold red] {plain(str(error))}{hint}")
    return typer.Exit(error.exit_code)
