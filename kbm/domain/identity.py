"""What makes two things the same.

Every id is a hash of what it names, so a second run, another order or another machine gives the same ids, and
nothing is parsed, embedded or stored twice:

- a **document** is an item of a source: its id hashes (source, item id);
- a **document version** hashes (document, content hash, parser digest): a better parser makes a new version;
- a **chunk** hashes (document version, chunker digest, span): the same boilerplate in two documents is two chunks;
- a **vector** hashes (embedded text with its heading prefix, embedder digest): the same text is embedded once.

Parts are length-prefixed before hashing, so ("ab", "c") and ("a", "bc") differ.
"""

from __future__ import annotations

import hashlib
from typing import NewType

ContentHash = NewType("ContentHash", str)
DocumentId = NewType("DocumentId", str)
VersionId = NewType("VersionId", str)
ChunkId = NewType("ChunkId", str)
VectorKey = NewType("VectorKey", str)
Digest = NewType("Digest", str)

ID_BYTES = 16


def _hash(kind: str, *parts: str | bytes, size: int) -> str:
    state = hashlib.blake2b(digest_size=size, person=kind.encode("ascii"))
    for part in parts:
        data = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        state.update(len(data).to_bytes(8, "little"))
        state.update(data)
    return state.hexdigest()


def content_hash(data: bytes) -> ContentHash:
    """Hash raw bytes; 64 hex digits."""
    return ContentHash(hashlib.blake2b(data, digest_size=32).hexdigest())


def document_id(source: str, item_id: str) -> DocumentId:
    """Name an item of a source; 32 hex digits, as all ids below."""
    return DocumentId(_hash("document", source, item_id, size=ID_BYTES))


def version_id(document: DocumentId, content: ContentHash, parser_digest: Digest) -> VersionId:
    """Name one content of a document as one parser reads it."""
    return VersionId(_hash("version", document, content, parser_digest, size=ID_BYTES))


def chunk_id(version: VersionId, chunker_digest: Digest, start: int, end: int) -> ChunkId:
    """Name the passage ``text[start:end]`` of a document version."""
    return ChunkId(_hash("chunk", version, chunker_digest, f"{start}:{end}", size=ID_BYTES))


def vector_key(embedded_text: str, embedder_digest: Digest) -> VectorKey:
    """Name the vector of a text, heading prefix included, under one embedder."""
    return VectorKey(_hash("vector", embedded_text, embedder_digest, size=ID_BYTES))


def digest(kind: str, *parts: str | bytes) -> Digest:
    """Hash a description (a spec, a parser, a manifest); 64 hex digits. *kind* has at most 16 ASCII letters."""
    return Digest(_hash(kind, *parts, size=32))
