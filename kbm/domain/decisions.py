"""Who decides about a GPT."""

from __future__ import annotations

from dataclasses import dataclass

from kbm.domain.fixes import Fix, FixKind


@dataclass(frozen=True, slots=True, kw_only=True)
class GptPeople:
    """Mail addresses of a GPT's people. ``readers`` are the names that hold for the owner when evidence is shown."""

    owner: str
    deputies: tuple[str, ...] = ()
    sponsor: str = ""
    readers: frozenset[str] = frozenset()

    @property
    def deciders(self) -> frozenset[str]:
        """Give those who may decide; an agent is never among them."""
        return frozenset({self.owner, *self.deputies, self.sponsor} - {""})


def needs_sponsor(fix: Fix) -> bool:
    """Tell whether a fix leads to a MAJOR release."""
    return fix.kind is FixKind.CHANGE_INDEX_SPEC
