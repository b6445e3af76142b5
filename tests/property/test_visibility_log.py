"""The log of visibility tells every earlier state: what an answer rested on can be rebuilt."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from kbm.domain.catalogue import StoredItem
from kbm.domain.identity import ContentHash, Digest
from kbm.store.catalogue import open_catalogue
from kbm.testing.fakes import FakeClock

IDS = ("a", "b", "c", "mail")
READERS = (
    frozenset({"everyone"}),
    frozenset({"group:hr"}),
    frozenset({"group:hr", "user:anna"}),
    frozenset[str](),
)

ids = st.sampled_from(IDS)
readers = st.sampled_from(READERS)
attached = st.frozensets(st.sampled_from(("mail/1", "mail/2")))
stored = st.tuples(st.just("store"), ids, readers, attached)
narrowed = st.tuples(st.just("readers"), ids, readers, st.just(frozenset[str]()))
removed = st.tuples(st.just("remove"), ids, st.just(READERS[0]), st.just(frozenset[str]()))
Change = tuple[str, str, frozenset[str], frozenset[str]]


def item(id: str, names: frozenset[str], children: frozenset[str] = frozenset()) -> StoredItem:
    return StoredItem(
        source="docs",
        item_id=id,
        ref_version="1",
        readers=names,
        content=ContentHash("c"),
        parser_digest=Digest("p"),
        attachments=tuple(item(child, names) for child in sorted(children)),
    )


@settings(max_examples=40, deadline=None)
@given(st.lists(st.one_of(stored, stored, narrowed, removed), max_size=25))
def test_visibility_at_an_epoch_is_the_state_that_was_seen_then(changes: Sequence[Change]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        catalogue = open_catalogue(Path(folder), FakeClock())
        documents = catalogue.documents
        seen = [documents.visibility()]
        for change, id, names, children in changes:
            if change == "store":
                documents.store([item(id, names, children if id == "mail" else frozenset())])
            elif change == "readers":
                documents.set_readers("docs", {id: names})
            else:
                documents.remove("docs", [id])
            seen.append(documents.visibility())
        rebuilt = [documents.visibility_at(one.epoch) for one in seen]
        catalogue.close()

    assert [(one.epoch, dict(one.readers)) for one in rebuilt] == [
        (one.epoch, dict(one.readers)) for one in seen
    ]
