"""One release as a neutral folder that any program can read, and that no reader has to trust.

::

    manifest.json     the release: number, digests, specs, counts; size and BLAKE2b-256 of the other files
    documents.jsonl   a document version a line: description, readers, elements as parsed
    chunks.jsonl      a passage a line: text, prefix, span, section, page
    vectors.npy       float32, one row per passage in that order; absent without an embedder

No file of it is ever unpickled, followed as a link or run, and only these four names are read.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ConfigDict, TypeAdapter, with_config

from kbm import __version__
from kbm.domain.archive import Export, ExportedDocument, ExportedRelease
from kbm.domain.calibration import from_json
from kbm.domain.documents import Chunk
from kbm.domain.identity import ChunkId, ContentHash, Digest, VersionId
from kbm.domain.releases import AnswerSpec, IndexSpec, Version
from kbm.errors import ArchiveRefused, UsageError
from kbm.faults import fault_point
from kbm.ports import Vectors
from kbm.store.backup import sync_folder
from kbm.store.texts import decode, encode

_FORMAT = 1
_MANIFEST, _DOCUMENTS, _CHUNKS, _VECTORS = "manifest.json", "documents.jsonl", "chunks.jsonl", "vectors.npy"
_STRICT = ConfigDict(strict=True, extra="forbid")
_INDEX_SPEC = TypeAdapter(with_config(_STRICT)(IndexSpec))
_ANSWER_SPEC = TypeAdapter(with_config(_STRICT)(AnswerSpec))
_MOST_BYTES = 1 << 34
"""No file of an export is larger; one that says so was made to fill the memory."""


class ExportFolders:
    """Writes and reads exports."""

    def write(self, folder: Path, made: Export, vectors: Vectors | None) -> None:
        """Write an export; the folder is whole or not there.

        Raises:
            UsageError: there is something under that name already.
        """
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise UsageError(f"{folder} is not empty; nothing was written", hint="name a new folder")
        aside = folder.with_name(f".{folder.name}.part")
        if aside.exists():
            shutil.rmtree(aside)
        with fault_point("export.write"):
            aside.mkdir(parents=True)
            _write_lines(aside / _DOCUMENTS, (_document_json(one) for one in made.documents))
            _write_lines(aside / _CHUNKS, (_chunk_json(one) for one in made.chunks))
            names = [_DOCUMENTS, _CHUNKS]
            if vectors is not None:
                with (aside / _VECTORS).open("wb") as file:
                    np.save(file, np.ascontiguousarray(vectors, dtype=np.float32), allow_pickle=False)
                names.append(_VECTORS)
            body = {
                "format": _FORMAT,
                **asdict(made.release),
                "version": str(made.release.version),
                "created_at": made.release.created_at.isoformat(),
                "made_with": __version__,
                "files": {name: _measure(aside / name) for name in names},
            }
            (aside / _MANIFEST).write_text(json.dumps(body, indent=1, ensure_ascii=False), encoding="utf-8")
            for path in aside.iterdir():
                _sync(path)
            if folder.exists():
                folder.rmdir()
            aside.rename(folder)
            sync_folder(folder.parent)

    def read(self, folder: Path) -> tuple[Export, Vectors | None]:
        """Read an export, and check that it is whole and fits together; digests are left to the caller.

        Raises:
            ArchiveRefused: it is not.
        """
        try:
            return _read(folder)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, EOFError) as error:
            raise ArchiveRefused(
                f"{folder} is no whole export of a release: {error}", hint="nothing was changed"
            ) from error


def _read(folder: Path) -> tuple[Export, Vectors | None]:
    body = json.loads(_bytes(folder / _MANIFEST))
    if body["format"] != _FORMAT:
        raise ValueError(f"it has format {body['format']}, this kbm reads {_FORMAT}")
    release = _release(body)
    expected = {_DOCUMENTS, _CHUNKS} | ({_VECTORS} if release.index_spec.dimensions else set())
    listed = {str(name): [int(of[0]), str(of[1])] for name, of in body["files"].items()}
    there = {path.name for path in folder.iterdir()}
    if set(listed) != expected or there != {*expected, _MANIFEST}:
        raise ValueError(f"it must hold {', '.join(sorted({*expected, _MANIFEST}))} and nothing else")
    for name in sorted(expected):
        if _measure(folder / name) != listed[name]:
            raise ValueError(f"{name} is not what was written")
    documents = tuple(_document(one) for one in _lines(folder / _DOCUMENTS))
    chunks = tuple(_chunk(one) for one in _lines(folder / _CHUNKS))
    vectors: Vectors | None = None
    if release.index_spec.dimensions:
        with _open(folder / _VECTORS) as file:
            loaded = np.load(file, allow_pickle=False)
        if (
            not isinstance(loaded, np.ndarray)
            or loaded.dtype != np.float32
            or loaded.shape != (len(chunks), release.index_spec.dimensions)
            or not np.isfinite(loaded).all()
        ):
            raise ValueError(f"{_VECTORS} does not hold one finite vector for each passage")
        vectors = np.ascontiguousarray(loaded)
    if (len(documents), len(chunks)) != (release.n_documents, release.n_chunks):
        raise ValueError("it holds other numbers of documents and passages than it says")
    return Export(release=release, documents=documents, chunks=chunks), vectors


def _release(body: dict[str, Any]) -> ExportedRelease:
    """Read the release of a manifest; Any is JSON."""
    return ExportedRelease(
        gpt=_text(body, "gpt"),
        version=Version.parse(body["version"]),
        digest=Digest(str(body["digest"])),
        index_digest=Digest(str(body["index_digest"])),
        index_spec=_INDEX_SPEC.validate_json(json.dumps(body["index_spec"])),
        answer_spec=_answer_spec(body["answer_spec"]),
        sources=tuple(str(one) for one in body["sources"]),
        n_documents=int(body["n_documents"]),
        n_chunks=int(body["n_chunks"]),
        created_at=datetime.fromisoformat(body["created_at"]),
        tools={str(name): str(one) for name, one in body["tools"].items()},
        made_with=str(body["made_with"]),
        calibration=from_json(body["calibration"]) if body["calibration"] else None,
    )


def _answer_spec(body: Any) -> AnswerSpec:
    """Read an answer spec; Any is JSON."""
    made = _ANSWER_SPEC.validate_json(json.dumps(body))
    if not 0 <= made.threshold <= made.uncertain_below <= 1:
        raise ValueError("answer_spec: 0 <= threshold <= uncertain_below <= 1 does not hold")
    return made


def _text(body: dict[str, Any], name: str) -> str:
    """Give a field that must be text the database can hold; Any is JSON."""
    found = body[name]
    if not isinstance(found, str):
        raise TypeError(f"{name} is no text")
    found.encode("utf-8")  # half of a surrogate pair raises
    return found


def _document_json(one: ExportedDocument) -> dict[str, Any]:
    """Give a document as a line; the ids are for readers, importing computes them anew."""
    return {
        "source": one.source,
        "item_id": one.item_id,
        "document_id": one.document_id,
        "version_id": one.version_id,
        "parent": one.parent,
        "content": one.content,
        "parser_digest": one.parser_digest,
        "title": one.title,
        "url": one.url,
        "author": one.author,
        "modified": one.modified.isoformat() if one.modified else None,
        "media_type": one.media_type,
        "readers": sorted(one.readers),
        "parsed": encode(one.record),
    }


def _document(body: dict[str, Any]) -> ExportedDocument:
    """Read a line; Any is JSON."""
    texts = {
        name: _text(body, name) for name in ("source", "item_id", "title", "url", "author", "media_type")
    }
    made = ExportedDocument(
        **texts,
        parent=None if body["parent"] is None else _text(body, "parent"),
        content=ContentHash(str(body["content"])),
        parser_digest=Digest(str(body["parser_digest"])),
        modified=datetime.fromisoformat(body["modified"]) if body["modified"] else None,
        readers=frozenset(str(one) for one in body["readers"]),
        record=decode(body["parsed"]),
    )
    if body["version_id"] != made.version_id:
        raise ValueError("a document version has another id than its content gives")
    return made


def _chunk_json(one: Chunk) -> dict[str, Any]:
    return {**asdict(one), "section": list(one.section)}


def _chunk(body: dict[str, Any]) -> Chunk:
    return Chunk(
        id=ChunkId(str(body["id"])),
        version_id=VersionId(str(body["version_id"])),
        ordinal=int(body["ordinal"]),
        start=int(body["start"]),
        end=int(body["end"]),
        text=str(body["text"]),
        prefix=str(body["prefix"]),
        section=tuple(str(one) for one in body["section"]),
        page=None if body["page"] is None else int(body["page"]),
    )


def _write_lines(path: Path, lines: Iterable[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8", errors="surrogatepass", newline="\n") as file:
        for line in lines:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with _open(path) as file:
        for line in file:
            yield json.loads(line.decode("utf-8", "surrogatepass"))


def _open(path: Path) -> Any:
    """Open a plain file, never through a link; Any because the builtin says so for its mode."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    found = os.fstat(handle)
    if not stat.S_ISREG(found.st_mode) or found.st_size > _MOST_BYTES:
        os.close(handle)
        raise ValueError(f"{path.name} is no plain file of a sensible size")
    return os.fdopen(handle, "rb")


def _bytes(path: Path) -> bytes:
    with _open(path) as file:
        data: bytes = file.read()
        return data


def _measure(path: Path) -> list[Any]:
    state, n = hashlib.blake2b(digest_size=32), 0
    with _open(path) as file:
        while block := file.read(1 << 20):
            state.update(block)
            n += len(block)
    return [n, state.hexdigest()]


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
