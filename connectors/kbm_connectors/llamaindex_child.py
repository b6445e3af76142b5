"""The process that runs a LlamaIndex reader. It knows the standard library alone, and whatever the reader imports.

Started by :mod:`kbm_connectors.llamaindex_load` with the number of an open file; what to load comes as one line of
JSON on standard input, which stays open as long as anybody waits for the outcome. A line for each document goes into
the file, and as the last line ``{"end": n}`` or ``{"fault": …}``: a file without either is of a reader that died.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import signal
import sys
import threading
from typing import IO, Any

TOLD_CHARS = 500
TOLD_LINES = 5

Spec = dict[str, Any]
"""What to load: ``path`` of imports, ``reader``, ``arguments``, ``load``, ``max_bytes``; Any: a reader's own keys."""


class _Told(logging.Handler):
    """Keeps what the reader logs as an error: most pass over what they cannot read and go on."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if len(self.lines) < TOLD_LINES:
            level = "error: " if record.levelno >= logging.ERROR else ""
            self.lines.append(f"{level}{record.getMessage()[:TOLD_CHARS]}")


class Fault(Exception):
    """What keeps the reader from loading: a word for the parent and what was said."""

    def __init__(self, word: str, said: str) -> None:
        self.word, self.said = word, said
        super().__init__(said)


def run(spec: Spec, into: IO[str]) -> None:
    """Load, and write a line for each document and one for the end."""
    told = _Told()
    logging.getLogger().addHandler(told)
    try:
        n = _load(spec, into)
    except Fault as fault:
        _write(into, {"fault": fault.word, "said": fault.said[:TOLD_CHARS]})
    else:
        _write(into, {"end": n, "told": told.lines})


def _load(spec: Spec, into: IO[str]) -> int:
    sys.path[:] = spec["path"]
    made = _make(_reader(spec["reader"]), spec["arguments"])
    try:
        documents = made.load_data(**spec["load"])
    except Exception as error:
        raise _fault("load", error) from error
    if not hasattr(documents, "__iter__"):
        raise Fault("load", f"load_data gave {type(documents).__name__}, no list of documents")
    n = 0
    try:
        for document in documents:
            _write(into, _as_written(document))
            n += 1
            if into.tell() > spec["max_bytes"]:
                raise Fault("too_large", "")
    except Fault:
        raise
    except Exception as error:  # a list may be made while it is read
        raise _fault("load", error) from error
    return n


def _reader(path: str) -> Any:
    name, _, attribute = path.partition(":")
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        outside = error.name is not None and (name == error.name or name.startswith(f"{error.name}."))
        raise Fault("no_module" if outside else "no_package", error.name or str(error)) from error
    except Exception as error:
        raise _fault("import", error) from error
    reader = getattr(module, attribute, None)
    if reader is None or not callable(reader) or not hasattr(reader, "load_data"):
        readers = sorted(one for one in dir(module) if hasattr(getattr(module, one, None), "load_data"))
        raise Fault("no_class", ", ".join(readers))
    return reader


def _make(reader: Any, arguments: dict[str, Any]) -> Any:
    try:
        return reader(**arguments)
    except Exception as error:
        # Not what is derived from them: an answer that is no JSON is a ValueError, too.
        is_refusal = type(error) in (TypeError, ValueError) or type(error).__name__ == "ValidationError"
        raise _fault("arguments" if is_refusal else "load", error) from error


def _fault(word: str, error: BaseException) -> Fault:
    if isinstance(error, ModuleNotFoundError) and error.name:
        return Fault("no_package", error.name)
    if isinstance(error, ImportError):
        return Fault("import", str(error))
    if isinstance(error, TypeError) and "keyword argument" in str(error):
        return Fault("arguments", str(error))
    return Fault(word, f"{type(error).__name__}: {error}" if str(error) else type(error).__name__)


def _as_written(document: Any) -> dict[str, Any]:
    """Give id, text and metadata. An id that nobody gave is made up anew each time, and not among the fields set."""
    text = getattr(document, "text", None)
    if not isinstance(text, str):
        raise Fault("load", f"load_data gave {type(document).__name__}, no document with a text")
    id = getattr(document, "id_", None)
    given = id is not None and "id_" in getattr(document, "model_fields_set", {"id_"})
    metadata = getattr(document, "metadata", None)
    return {"id": str(id or ""), "given": given, "text": text, "metadata": metadata if metadata else {}}


def _write(into: IO[str], record: dict[str, Any]) -> None:
    into.write(json.dumps(record, default=str, skipkeys=True) + "\n")
    into.flush()


def _end_with_parent(parent: int) -> None:
    while os.read(parent, 4096):
        pass
    # The whole group, which is this process's own: a reader may have started others.
    os.killpg(os.getpid(), signal.SIGKILL)


def main() -> None:
    """Read the line, watch over the parent, and load."""
    parent = os.dup(0)
    spec = json.loads(_line(parent))
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    threading.Thread(target=_end_with_parent, args=(parent,), daemon=True).start()
    with open(int(sys.argv[1]), "w", encoding="ascii") as into:
        run(spec, into)
    # Threads and exit hooks of a reader have nothing to say any more.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _line(source: int) -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        part = os.read(source, 65_536)
        if not part:
            os._exit(3)
        line += part
    return line


if __name__ == "__main__":
    main()
