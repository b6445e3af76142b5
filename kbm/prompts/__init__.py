"""Prompts as files. One that was in a release of kbm is never edited: a better one gets a file of its own.

A release of a GPT names its prompt by digest, so answers of older releases are still written by the rules they were
published with.
"""

from __future__ import annotations

from functools import cache

from kbm.domain.chat import Prompt
from kbm.domain.identity import Digest

ANSWER = "answer-1"
"""The prompt of new releases."""

PARAPHRASE = "paraphrase-1"


@cache
def answer_prompt() -> Prompt:
    """Give the prompt that new releases are made with."""
    return _read(ANSWER)


@cache
def paraphrase_prompt() -> Prompt:
    """Give the prompt that golden questions are put in other words with."""
    return _read(PARAPHRASE)


@cache
def prompts() -> dict[Digest, Prompt]:
    """Give all prompts by digest."""
    from importlib.resources import files

    found = [
        _read(path.name.removesuffix(".md"))
        for path in files(__package__).iterdir()
        if path.name.endswith(".md")
    ]
    return {one.digest: one for one in found}


def _read(name: str) -> Prompt:
    from importlib.resources import files

    return Prompt(name=name, text=files(__package__).joinpath(f"{name}.md").read_text(encoding="utf-8"))


__all__ = ["ANSWER", "PARAPHRASE", "answer_prompt", "paraphrase_prompt", "prompts"]
