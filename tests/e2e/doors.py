"""What the tests of the doors share: two GPTs over two sources, and keys."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kbm.bootstrap import Kbm
from kbm.domain.access import Rights
from kbm.sections import AccessSection, OidcSection
from kbm.testing import builders
from kbm.testing.fakes import FakeClock, FakeConnector, FakeEmbedder, NoProgress

PAGES = {
    "leave.txt": "Employees get 30 days of leave a year. Leave is asked for four weeks ahead.",
    "press.txt": "The press KB 40 holds 40 tons. It weighs 900 kilograms.",
    "van.txt": "The van stands in hall 3 overnight.",
    "board.txt": "The pay of the board is 250,000 euros a year. CANARYWORD",
}
WIKI = {"wifi.txt": "The guest network is called Keller-Guest. OTHERWORD"}
HR = frozenset({"everyone", "group:hr"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Doors:
    """A company that is served, the source behind ``helper``, and the address."""

    kbm: Kbm
    docs: FakeConnector
    url: str


@contextmanager
def company(
    folder: Path, *, public: Collection[str] = (), issuer: str = "", url: str = "http://127.0.0.1:8000"
) -> Iterator[tuple[Kbm, FakeConnector]]:
    """Publish ``helper`` over the pages, one of which only HR may read, and ``other`` over the wiki."""
    docs = FakeConnector(items=dict(PAGES), readers={"board.txt": frozenset({"group:hr"})})
    connectors = {"docs": docs, "wiki": FakeConnector(items=dict(WIKI))}
    made = builders.settings(folder, list(connectors), gpts={"helper": ["docs"], "other": ["wiki"]})
    gpts = {name: one.model_copy(update={"public": name in public}) for name, one in made.gpts.items()}
    oidc = OidcSection(issuer=issuer, audience="kbm") if issuer else None
    settings = made.model_copy(
        update={
            "gpts": gpts,
            "access": AccessSection(oidc=oidc),
            "kbm": made.kbm.model_copy(update={"public_url": url}),
        }
    )
    with Kbm(settings, clock=FakeClock(), connectors=connectors, embedder=FakeEmbedder()) as kbm:
        for source in connectors:
            kbm.sync.run(kbm.source_to_sync(source), NoProgress())
        for gpt in gpts:
            kbm.build.run(kbm.gpt_to_build(gpt), NoProgress())
            kbm.publish.run(gpt, "1.0.0", who="anna", why="test")
        yield kbm, docs


def key(kbm: Kbm, rights: Rights | None = None) -> str:
    """Make a key and give it as it is sent."""
    return kbm.keys.create("test", rights or Rights(), valid_for=None, who="anna").token
