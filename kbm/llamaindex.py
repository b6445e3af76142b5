"""kbm's passages for LlamaIndex programs.

::

    from kbm.client import KbmClient
    from kbm.llamaindex import KbmRetriever

    retriever = KbmRetriever("offers", client=KbmClient("https://kb.example", key="kbm_…"))
    engine = RetrieverQueryEngine.from_args(retriever, llm=…)

LlamaIndex takes seconds to import, so nothing else in kbm imports this module.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

from kbm.client import Filters, Hit, KbmClient

if TYPE_CHECKING:
    from kbm.bootstrap import Kbm
    from kbm.services.retrieve import Caller


class KbmRetriever(BaseRetriever):  # type: ignore[misc]  # LlamaIndex is untyped here
    """Gives the passages of a GPT's live release, over HTTP or from an open :class:`~kbm.bootstrap.Kbm`.

    A node's text is the passage as it stands in its document; title, url, section, page, source, item and release
    are its metadata. Its id is the passage's chunk id, which stays the same as long as its document does.
    """

    def __init__(
        self,
        gpt: str,
        *,
        client: KbmClient | None = None,
        kbm: Kbm | None = None,
        caller: Caller | None = None,
        k: int = 10,
        filters: Filters | None = None,
        **others: Any,  # what BaseRetriever takes
    ) -> None:
        """Name either a *client* or an open *kbm*; with *kbm*, *caller* says who asks, else everybody does.

        Raises:
            ValueError: neither or both are named, or *filters* go with a *kbm*.
        """
        if (client is None) == (kbm is None):
            raise ValueError("name a client or an open kbm, and not both")
        if kbm is not None and filters:
            raise ValueError("filters go with a client")
        self._gpt, self._client, self._kbm, self._caller = gpt, client, kbm, caller
        self._k, self._filters = k, filters
        super().__init__(**others)

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        query = query_bundle.query_str
        if self._client is not None:
            found = self._client.search(self._gpt, query, k=self._k, filters=self._filters)
            return [_node(one, found.release) for one in found.hits]
        return self._from_kbm(query)

    def _from_kbm(self, query: str) -> list[NodeWithScore]:
        from kbm.services.retrieve import Caller

        assert self._kbm is not None  # noqa: S101 - one of the two is there
        made = self._kbm.retrieve.run(self._gpt, query, self._caller or Caller(), k=self._k)
        return [
            _node(
                Hit(
                    chunk_id=one.chunk_id,
                    document_id=one.document_id,
                    item_id=one.item_id,
                    source=one.source,
                    title=one.title,
                    url=one.url,
                    section=" › ".join(one.section),
                    page=one.page,
                    text=one.text,
                    score=one.score,
                ),
                str(made.release.version),
            )
            for one in made.passages
        ]


def _node(hit: Hit, release: str) -> NodeWithScore:
    shown = {
        "title": hit.title,
        "section": hit.section,
        "page": hit.page,
        "url": hit.url,
        "source": hit.source,
        "item_id": hit.item_id,
        "document_id": hit.document_id,
        "release": release,
    }
    node = TextNode(
        id_=hit.chunk_id,
        text=hit.text,
        metadata=shown,
        excluded_embed_metadata_keys=list(shown),
        excluded_llm_metadata_keys=["item_id", "document_id"],
    )
    return NodeWithScore(node=node, score=hit.score)


__all__ = ["KbmRetriever"]
