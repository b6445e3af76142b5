"""What is written when a release is sealed: a bitmap of its rows, and a description under its digest.

The bitmap goes first and the description last, each aside, forced to disk and renamed: a release without its
``rel-<seq>.json`` is not sealed, and one with it is whole. A release that is sealed again, as an erasure does,
changes with its description, in one step: the new bitmap waits as ``rel-<seq>.next.roar`` until the description names
it, and takes the place of the old one afterwards. Wherever that is cut short, the release can be read.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyroaring import BitMap

from kbm.domain.identity import ChunkId, Digest
from kbm.domain.retrieval import SegmentRecord
from kbm.errors import IndexDamaged, ReleaseNotSealed
from kbm.faults import fault_point
from kbm_indexes.segment import sync_folder, write_sealed

_FORMAT = 1
_HINT = "run `kbm doctor --fix`: it seals the release anew from the catalogue"


@dataclass(frozen=True, slots=True)
class KnownAnswer:
    """The hits, chunk and score, of a question made from row *row*."""

    row: int
    hits: tuple[tuple[ChunkId, float], ...]

    def agrees(self, other: KnownAnswer, tolerance: float) -> bool:
        """Tell whether another asking found the same; scores may differ by *tolerance*, and near ones swap."""
        if self.row != other.row or len(self.hits) != len(other.hits):
            return False
        return all(
            abs(mine[1] - others[1]) <= tolerance for mine, others in zip(self.hits, other.hits, strict=True)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """All about a sealed release but its rows."""

    seq: int
    digest: Digest
    spec_digest: Digest
    n_rows: int
    dimensions: int
    stem_tokens: int
    gram_tokens: int
    segments: tuple[SegmentRecord, ...]
    known: tuple[KnownAnswer, ...]


def release_files(seq: int) -> tuple[str, str]:
    """Name the two files of a release."""
    return f"rel-{seq}.roar", f"rel-{seq}.json"


def sealed(folder: Path) -> list[int]:
    """List the releases described in a folder, by number."""
    return sorted(int(path.stem[4:]) for path in folder.glob("rel-*.json") if path.stem[4:].isdigit())


def write(folder: Path, manifest: Manifest, rows: BitMap) -> None:
    """Seal a release, or seal it again: who opens it meanwhile reads the one or the other."""
    bitmap_name, name = release_files(manifest.seq)
    finish(folder, manifest.seq)
    bitmap = rows.serialize()
    is_sealed = (folder / name).exists()
    with fault_point("seal.bitmap"):
        write_sealed(folder / (_next_bitmap(manifest.seq) if is_sealed else bitmap_name), [bitmap])
    with fault_point("seal.manifest"):
        _describe(folder, manifest, _blake2b(bitmap))
    with fault_point("seal.again"):
        finish(folder, manifest.seq)


def finish(folder: Path, seq: int) -> None:
    """Let a new bitmap take its place if the description names it; else nobody does, and it goes."""
    bitmap_name, name = release_files(seq)
    waiting = folder / _next_bitmap(seq)
    if not waiting.exists():
        return
    try:
        named = json.loads((folder / name).read_bytes())["bitmap"]
    except (OSError, ValueError, KeyError, TypeError):
        named = None
    if named == _blake2b(waiting.read_bytes()):
        waiting.rename(folder / bitmap_name)
    else:
        waiting.unlink()
    sync_folder(folder)


def finish_all(folder: Path) -> None:
    """Do the same for every release of a folder."""
    for path in folder.glob("rel-*.next.roar"):
        seq = path.name.split(".")[0].removeprefix("rel-")
        if seq.isdigit():
            finish(folder, int(seq))


def _next_bitmap(seq: int) -> str:
    return f"rel-{seq}.next.roar"


def refit(folder: Path, manifest: Manifest, rows: BitMap) -> None:
    """Describe a sealed release anew, whose *rows* stay and lie in other segments now.

    The description is replaced in one step: who opens the release meanwhile reads the one or the other.
    """
    _describe(folder, manifest, _blake2b(rows.serialize()))


def _describe(folder: Path, manifest: Manifest, bitmap: str) -> None:
    described = {
        "format": _FORMAT,
        "seq": manifest.seq,
        "digest": manifest.digest,
        "spec_digest": manifest.spec_digest,
        "n_rows": manifest.n_rows,
        "dimensions": manifest.dimensions,
        "stem_tokens": manifest.stem_tokens,
        "gram_tokens": manifest.gram_tokens,
        "bitmap": bitmap,
        "segments": [[each.name, each.first_row, each.n_rows, each.blake2b] for each in manifest.segments],
        "known": [[each.row, [list(hit) for hit in each.hits]] for each in manifest.known],
    }
    _, name = release_files(manifest.seq)
    write_sealed(
        folder / name, [json.dumps({**described, "blake2b": _checksum(described)}, indent=1).encode()]
    )


def read(folder: Path, seq: int) -> tuple[Manifest, BitMap]:
    """Read a release.

    Raises:
        ReleaseNotSealed: there is no such release here.
        IndexDamaged: its files are damaged, or its bitmap is missing.
    """
    text = _description(folder, seq)
    while True:
        try:
            described = json.loads(text)
            if described.pop("blake2b") != _checksum(described):
                raise ValueError(f"rel-{seq}.json has other content than was sealed")
            if described["format"] != _FORMAT or described["seq"] != seq:
                raise ValueError(f"format {described['format']}, release {described['seq']}")
            return _manifest(described), BitMap.deserialize(_bitmap(folder, seq, described["bitmap"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            again = _description(folder, seq)
            if again == text:
                raise IndexDamaged(
                    f"release {seq} in {folder} is not what was sealed: {error!r}", hint=_HINT
                ) from error
            text = again  # it was sealed again between the reading of both files


def _description(folder: Path, seq: int) -> bytes:
    try:
        return (folder / release_files(seq)[1]).read_bytes()
    except FileNotFoundError:
        raise ReleaseNotSealed(
            f"release {seq} is not sealed in {folder}; others are not affected", hint="build it again"
        ) from None
    except OSError as error:
        raise IndexDamaged(
            f"release {seq} in {folder} cannot be read: {error.strerror}", hint=_HINT
        ) from error


def _bitmap(folder: Path, seq: int, blake2b: str) -> bytes:
    """Read the bitmap that a description names, from wherever it is on its way."""
    name = release_files(seq)[0]
    # The first one twice: the other may have come to its place just now.
    for each in (name, _next_bitmap(seq), name):
        with suppress(FileNotFoundError):
            data = (folder / each).read_bytes()
            if _blake2b(data) == blake2b:
                return data
    raise ValueError(f"{name} is missing or has other bytes than were sealed")


def remove(folder: Path, seq: int) -> None:
    """Take a release away, description first; its absence is no error."""
    bitmap_name, name = release_files(seq)
    for path in (folder / name, folder / bitmap_name, folder / _next_bitmap(seq)):
        if path.exists():
            path.unlink()
            sync_folder(folder)


def _manifest(described: dict[str, Any]) -> Manifest:
    # Any: fresh from JSON; a wrong shape raises what `read` turns into IndexDamaged.
    return Manifest(
        seq=int(described["seq"]),
        digest=Digest(str(described["digest"])),
        spec_digest=Digest(str(described["spec_digest"])),
        n_rows=int(described["n_rows"]),
        dimensions=int(described["dimensions"]),
        stem_tokens=int(described["stem_tokens"]),
        gram_tokens=int(described["gram_tokens"]),
        segments=tuple(
            SegmentRecord(name=name, first_row=first_row, n_rows=n_rows, blake2b=blake2b)
            for name, first_row, n_rows, blake2b in described["segments"]
        ),
        known=tuple(
            KnownAnswer(row, tuple((ChunkId(chunk), score) for chunk, score in hits))
            for row, hits in described["known"]
        ),
    )


def _checksum(described: dict[str, Any]) -> str:
    return _blake2b(json.dumps(described, sort_keys=True).encode())


def _blake2b(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=32).hexdigest()
