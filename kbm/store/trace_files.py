"""What an unfinished erasure has to find, in a file of its own until it is done.

It holds windows of the text that is being erased, so it is readable by its owner only, no backup takes it, and it is
the last thing to go. Without it a run that died could not prove any more that nothing is left.
"""

from __future__ import annotations

import json
import os
from base64 import b64decode, b64encode
from dataclasses import asdict
from pathlib import Path

from kbm.domain.erasure import HeldBy, Mark, Traces
from kbm.domain.identity import ChunkId, ContentHash, Digest, VectorKey, VersionId
from kbm.faults import fault_point
from kbm.store.traces import WORK_FOLDER


class TraceFiles:
    """One file per unfinished erasure, below the data folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / WORK_FOLDER

    def put(self, erasure: int, traces: Traces) -> None:
        """Keep what was listed; whole or not at all."""
        body = {
            **asdict(traces),
            "releases": [[one.gpt, one.seq, one.version, one.digest] for one in traces.releases],
            "marks": {
                kind: [b64encode(one).decode("ascii") for one in of] for kind, of in traces.marks.items()
            },
        }
        with fault_point("erase.list"):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            aside = self._folder / f".{erasure}.tmp"
            handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8", errors="surrogatepass") as file:
                json.dump(body, file, ensure_ascii=False)
                file.flush()
                os.fsync(file.fileno())
            aside.rename(self._path(erasure))

    def get(self, erasure: int) -> Traces | None:
        """Give what was listed; None if nothing is."""
        try:
            text = self._path(erasure).read_text(encoding="utf-8", errors="surrogatepass")
        except FileNotFoundError:
            return None
        body = json.loads(text)
        return Traces(
            numbers=tuple(body["numbers"]),
            versions=tuple(VersionId(one) for one in body["versions"]),
            chunks=tuple(ChunkId(one) for one in body["chunks"]),
            contents=tuple(ContentHash(one) for one in body["contents"]),
            vector_keys=tuple(VectorKey(one) for one in body["vector_keys"]),
            names=tuple(body["names"]),
            releases=tuple(
                HeldBy(gpt=gpt, seq=seq, version=version, digest=Digest(digest))
                for gpt, seq, version, digest in body["releases"]
            ),
            items=tuple((source, item_id) for source, item_id in body["items"]),
            counts=body["counts"],
            marks={Mark(kind): tuple(b64decode(one) for one in of) for kind, of in body["marks"].items()},
            found={Mark(kind): n for kind, n in body["found"].items()},
        )

    def drop(self, erasure: int) -> None:
        """Remove the file, and the folder with the last one."""
        with fault_point("erase.forget"):
            for path in (self._path(erasure), self._folder / f".{erasure}.tmp"):
                path.unlink(missing_ok=True)
            if self._folder.exists() and not any(self._folder.iterdir()):
                self._folder.rmdir()

    def _path(self, erasure: int) -> Path:
        return self._folder / f"{erasure}.json"
