"""Looks at a sealed release in a process of its own before anybody is pointed to it.

A damaged mapped file can end a process (a file cut short raises SIGBUS where it is touched), and the process that
answers people must not be the one to find out. So the builder starts this one, which hashes every file, computes the
digest from the rows, asks the known answers and one question more, and says in one line of JSON what it found::

    python -m kbm_indexes.probe FOLDER SEQ      {"digest": "…", "n_rows": 52310}     exit 0
                                                {"error": "…"}                       exit 1
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from kbm.domain.identity import Digest
from kbm.domain.retrieval import SealedIndex
from kbm.errors import IndexDamaged, KbmError

_HINT = "the pointer was not moved and the live release answers as before; build the release again"


def probe(folder: Path, seq: int, timeout_s: float) -> SealedIndex:
    """Verify release *seq* in another process.

    Raises:
        IndexDamaged: it found damage, died, or was not done in time.
    """
    command = [sys.executable, "-m", "kbm_indexes.probe", str(folder), str(seq)]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=timeout_s, env=env, check=False
        )
    except subprocess.TimeoutExpired:
        raise IndexDamaged(
            f"the probe of release {seq} was not done after {timeout_s:g} s", hint=_HINT
        ) from None
    try:
        told = json.loads(done.stdout.strip().splitlines()[-1])
        if done.returncode == 0:
            return SealedIndex(seq=seq, digest=Digest(told["digest"]), n_rows=int(told["n_rows"]))
        reason = str(told["error"])
    except (IndexError, ValueError, KeyError, TypeError):
        last = done.stderr.strip().splitlines()[-1:] or ["it said nothing"]
        reason = f"its process ended with {done.returncode}: {last[0]}"
    raise IndexDamaged(f"release {seq} did not pass its probe: {reason}", hint=_HINT)


def look(folder: Path, seq: int) -> SealedIndex:
    """Verify release *seq* in this process, and ask one question that reads what no check has read.

    Raises:
        ReleaseNotSealed: there is no such release.
        IndexDamaged: something differs from what was sealed.
    """
    # Not for the parent: it starts a process so that it need not load these.
    from kbm_indexes.reader import ReleaseIndex
    from kbm_indexes.segment import SharedSegments

    index = ReleaseIndex.open(folder, seq, SharedSegments())
    digest = index.verify()
    index.search("Was ist neu? What is new? Quoi de neuf ?", None, readable=None)
    return SealedIndex(seq=seq, digest=digest, n_rows=index.n_rows)


def main(arguments: list[str]) -> int:
    """Run as a command; give the exit code."""
    if len(arguments) != 2 or not arguments[1].isdigit():
        return _say({"error": "usage: python -m kbm_indexes.probe FOLDER SEQ"}, 2)
    try:
        sealed = look(Path(arguments[0]), int(arguments[1]))
    except KbmError as error:
        return _say({"error": str(error)}, 1)
    except Exception as error:
        # Whatever a damaged file makes numpy raise is damage too, and must reach the builder in words.
        return _say({"error": f"{type(error).__name__}: {error}"}, 1)
    return _say({"digest": sealed.digest, "n_rows": sealed.n_rows}, 0)


def _say(what: dict[str, str | int], code: int) -> int:
    sys.stdout.write(json.dumps(what) + "\n")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
