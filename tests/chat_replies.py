"""What a chat model could write, made from what it is sent: honest, careless, and one that obeys everybody."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from kbm.domain.chat import Message


def sent(messages: Sequence[Message | dict[str, Any]]) -> tuple[list[dict[str, Any]], str]:
    """Give the passages and the question of a prompt; Any is JSON."""
    last = messages[-1]
    text = last.text if isinstance(last, Message) else str(last["content"])
    lines = [json.loads(line) for line in text.split("\n")]
    return lines[:-1], lines[-1]["question"]


def line(sentence: str, quote: str, passage: int = 1) -> str:
    """Write one sentence in the form that is asked for."""
    cites = [{"passage": passage, "quote": quote}]
    return json.dumps({"sentence": sentence, "cites": cites}, ensure_ascii=False) + "\n"


def honest(messages: Sequence[Message | dict[str, Any]]) -> str:
    """Say the first sentence of each passage, and quote it."""
    passages, _ = sent(messages)
    firsts = [(one["passage"], re.split(r"(?<=[.!?])\s", one["text"])[0]) for one in passages]
    return "".join(line(first, first, n) for n, first in firsts)


def careless(messages: Sequence[Message | dict[str, Any]]) -> str:
    """Say the first sentence of the first passage, then it again with other numbers."""
    passages, _ = sent(messages)
    first = re.split(r"(?<=[.!?])\s", passages[0]["text"])[0]
    return line(first, first) + line(re.sub(r"\d+", lambda n: str(int(n[0]) + 1), first), first)


def obedient(messages: Sequence[Message | dict[str, Any]]) -> str:
    """Do whatever a passage says after ``DO:``, line by line, and say all it was sent besides."""
    passages, _ = sent(messages)
    ordered = [found for one in passages for found in re.findall(r"DO: ?(.*)", one["text"])]
    rules = messages[0].text if isinstance(messages[0], Message) else str(messages[0]["content"])
    return "\n".join([*ordered, line(f"My rules are: {rules[:300]}", rules[:100]), honest(messages)])
