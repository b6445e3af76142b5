"""What is said to a chat model, and what comes back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from kbm.domain.identity import Digest, digest

EXTRACTIVE = "extractive"
"""The setting for answers without a chat model."""

CHARS_PER_TOKEN = 3
"""For counts that a provider does not give: low, so that a budget is spent early rather than late."""


class Role(StrEnum):
    """Whose words a message holds."""

    SYSTEM = "system"  # the rules
    USER = "user"  # passages and question


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message to a chat model."""

    role: Role
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens of one call, as the provider counts them."""

    n_in: int
    n_out: int

    @property
    def total(self) -> int:
        """Give both together."""
        return self.n_in + self.n_out


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """The next few characters of a reply; ``usage`` comes with one of the last pieces, if at all."""

    text: str = ""
    usage: Usage | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A whole reply; ``usage`` is None where the provider does not count."""

    text: str
    usage: Usage | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatAccess:
    """How to reach a provider: an address (empty: the provider's own), and the key itself (empty: none)."""

    url: str = ""
    api_key: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What a million tokens cost, in whatever currency the provider bills; None where it is not known."""

    per_million_in: float | None = None
    per_million_out: float | None = None

    def of(self, used: Usage) -> float | None:
        """Give the cost of a call."""
        if self.per_million_in is None or self.per_million_out is None:
            return None
        return (used.n_in * self.per_million_in + used.n_out * self.per_million_out) / 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """The rules a chat model is given, as a file says them."""

    name: str
    text: str

    @property
    def digest(self) -> Digest:
        """Name the exact text; releases and receipts keep this."""
        return digest("prompt", self.text)

    def filled(self, values: Mapping[str, str]) -> str:
        """Put values in place of ``{{name}}``; a value that holds such a mark itself is left as it is."""
        parts = self.text.split("{{")
        filled = [parts[0]]
        for part in parts[1:]:
            name, _, rest = part.partition("}}")
            filled.append(values[name.strip()] + rest)
        return "".join(filled)


def estimated_tokens(text: str) -> int:
    """Estimate the tokens of a text, rather too many than too few."""
    return -(-len(text) // CHARS_PER_TOKEN)


WITHOUT_MODEL = "chat model: "
"""How each line of ``Answer.degraded`` begins that says why sentences are quoted and not written."""
