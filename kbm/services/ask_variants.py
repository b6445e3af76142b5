"""Ask what golden questions ask in other words, and tell how often that still finds what they expect.

A golden question guards one wording. A release that finds only that has learned the test, and people ask otherwise.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from kbm.domain.chat import Prompt
from kbm.domain.documents import EVERYONE
from kbm.domain.evaluation import GoldenQuestion, GoldenState
from kbm.domain.paraphrases import usable, variants_of
from kbm.domain.releases import Release
from kbm.ports import Progress
from kbm.services.retrieve import Caller, Retrieve

HITTING, VARIANTS = "golden_hits", "golden_variants"
"""Names of the figures."""

MOST_QUESTIONS = 60
"""Golden questions whose variants are asked in a night."""

BY_MODEL = 10
"""Of these a chat model, if there is one, words anew."""

HITS = 10
FIRST = 5
"""Passages looked at, and documents among which an expected one must be."""

Write = Callable[[str, int], str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class AskVariants:
    """The use case with what it needs. ``writer`` gives what lets a chat model write for a GPT, if there is one."""

    retrieve: Retrieve
    prompt: Callable[[], Prompt]
    writer: Callable[[str], Write | None]

    def run(self, live: Release, golden: Sequence[GoldenQuestion], progress: Progress) -> dict[str, float]:
        """Give the shares of questions and of variants that find an expected document among the first five.

        Variants of questions that fail as they stand do not count: that is told already. A share of nothing is left
        out.
        """
        asked = [
            one for one in golden if one.state is GoldenState.CONFIRMED and one.answerable and one.expected
        ][:MOST_QUESTIONS]
        write = self.writer(live.gpt) if asked else None
        hits: list[bool] = []
        found: list[bool] = []
        with progress.stage(f"variants of golden questions, {live.gpt}", len(asked)) as stage:
            for n, one in enumerate(asked):
                stage.advance()
                hits.append(self._finds(live, one, one.question))
                if hits[-1]:
                    by_model = write if n < BY_MODEL else None
                    found += [self._finds(live, one, text) for text in self._variants(one, by_model)]
        shares = {HITTING: hits, VARIANTS: found}
        return {name: round(sum(some) / len(some), 4) for name, some in shares.items() if some}

    def _variants(self, one: GoldenQuestion, write: Write | None) -> Collection[str]:
        made = variants_of(one.question)
        if write is None:
            return made
        data = json.dumps({"question": one.question}, ensure_ascii=False)
        written = write(f"{self.prompt().text}\n{data}", 200)
        return dict.fromkeys([*made, *usable(written or "", one.question)])

    def _finds(self, live: Release, one: GoldenQuestion, text: str) -> bool:
        caller = Caller(readers=frozenset({EVERYONE, *one.readers}))
        found = self.retrieve.run(live.gpt, text, caller, release=str(live.version), k=HITS)
        items = list(dict.fromkeys(f"{each.source}:{each.item_id}" for each in found.passages))
        return bool(set(one.expected) & set(items[:FIRST]))
