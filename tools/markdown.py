"""The little Markdown that the reference pages need, and docstrings turned into it."""

from __future__ import annotations

import re
from collections.abc import Sequence

HEAD = "<!-- Written by `python -m tools.reference` from {source}. Change it there. -->\n"


def from_docstring(text: str) -> str:
    """Turn the little reStructuredText that docstrings here use into Markdown."""
    text = re.sub(r":\w+:`~?(?:[\w.]+\.)?(\w+)`", r"`\1`", text).replace("``", "`")
    text = re.sub(
        r"^=+ [= ]+$\n(.*)\n^=+ [= ]+$\n((?:.*\n)*?)^=+ [= ]+$", _rst_table, text, flags=re.MULTILINE
    )
    text = re.sub(r"^Raises:\n((?: +.*\n?)+)", _raises, text, flags=re.MULTILINE)
    return text.strip()


def _rst_table(found: re.Match[str]) -> str:
    rows = [
        re.split(r" {2,}|(?<=`) (?=`)", line.strip()) for line in (found[1] + "\n" + found[2]).splitlines()
    ]
    return table(rows[0], rows[1:])


def _raises(found: re.Match[str]) -> str:
    told = re.sub(r"\n {5,}", " ", found[1].rstrip())
    return "Raises:\n\n" + "\n".join(re.sub(r"^ +(\w+): ", r"- `\1`: ", line) for line in told.splitlines())


def first_paragraph(documented: type) -> str:
    """Give the first paragraph of a class's docstring in one line."""
    return from_docstring(" ".join((documented.__doc__ or "").strip().partition("\n\n")[0].split()))


def choices(values: Sequence[str]) -> str:
    spelled = [f"`{value}`" for value in values]
    return ", ".join(spelled[:-1]) + " and " + spelled[-1]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def page(parts: Sequence[str]) -> str:
    return "\n\n".join(part.strip() for part in parts if part.strip()) + "\n"
