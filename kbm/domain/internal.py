"""Names of what kbm keeps for itself beside the sources and GPTs of kbm.toml, whose names cannot begin so."""

from __future__ import annotations

COMPANY = "@company"
"""The line of releases over all documents of the company. It never answers: agents look things up in it."""


def is_internal(name: str) -> bool:
    """Tell whether a source or a GPT is none of kbm.toml's."""
    return name.startswith("@")


def overlays_of(gpt: str) -> str:
    """Name the source of the documents that were written here for a GPT, and approved."""
    return f"@overlays.{gpt}"


def gpt_of_overlays(source: str) -> str:
    """Name the GPT that the documents of a source were written for; empty for any other source."""
    return source.removeprefix("@overlays.") if source.startswith("@overlays.") else ""


def drafts_of(gpt: str) -> str:
    """Name the source of the documents that agents drafted for a GPT. No GPT answers from it."""
    return f"@drafts.{gpt}"
