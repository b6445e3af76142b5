"""The process in which documents are parsed: one at a time, under limits, without a network.

Started by :mod:`kbm.parsing.processes`. It answers each request with two frames, ``loaded`` (the parser is
imported; the clock of the document starts) and the result. Whatever libraries print goes to a file of which the
parent shows the end if the process dies.

Limits are set here and not between fork and exec, where only C may run safely in a program with threads. They
bind what parsers do by accident; what one does on purpose is bounded from outside, by the parent's clock, by its
look at the memory of the whole session, and by the kill of it.
"""

from __future__ import annotations

import gc
import importlib
import os
import resource
import shutil
import socket
import threading
import time
import warnings
from dataclasses import replace
from typing import Any

from kbm.domain.documents import Blob, ElementKind, ParsedDocument, Reason
from kbm.domain.parse_quality import measured
from kbm.errors import ParseFailed
from kbm.parsing import guard, no_network, second_try, tidy, wire
from kbm.ports import Parser

FRAME_SLACK = 1 << 20


def main(channel_fd: int, settings: dict[str, int], parent: int) -> None:
    """Serve requests until the parent closes the channel."""
    _set_limits(settings)
    no_network.refuse()
    warnings.simplefilter("ignore")
    # Text of libraries must reach neither a terminal nor the channel.
    os.dup2(2, 1)
    threading.Thread(target=_end_with_parent, args=(parent, os.getcwd()), daemon=True).start()
    channel = socket.socket(fileno=channel_fd)
    parsers: dict[str, Parser] = {}
    seen: set[str] = set()
    folder = os.getcwd()
    channel.sendall(wire.pack({"ready": os.getpid()}))
    try:
        while (request := wire.receive(channel, settings["document_bytes"] + FRAME_SLACK)) is not None:
            _serve(channel, *request, parsers, settings)
            kind = str(request[0].get("media_type"))
            del request
            if kind not in seen:
                # What imports leave behind lives as long as the process. Frozen, it is not looked through again by
                # every collection, which would take ten times as long as a small document does.
                seen.add(kind)
                gc.collect()
                gc.freeze()
            os.ftruncate(2, 0)
    except BrokenPipeError:
        # The parent is gone in the middle of an answer: nobody is left to tell.
        pass
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _serve(
    channel: socket.socket, head: wire.Head, data: bytes, parsers: dict[str, Parser], settings: dict[str, int]
) -> None:
    try:
        parser = _load(head["parser"], parsers)
        channel.sendall(wire.pack({"loaded": head["parser"]}))
        _renew_cpu(settings["cpu_s"])
        blob = Blob(data=data, name=head["name"], media_type=head["declared"])
        answer, body = wire.encode_document(_parse(parser, blob, head["media_type"]))
        if body_is_too_large(answer, body, settings["result_bytes"]):
            raise ParseFailed(
                Reason.TOO_LARGE, "The document unpacks to too much text: split it into smaller files."
            )
    except ParseFailed as failure:
        answer, body = {"failed": failure.reason, "message": str(failure)}, b""
    except MemoryError:
        # What the allocator still holds is unknown, so the parent replaces this process.
        answer, body = {"failed": Reason.OUT_OF_MEMORY.value, "message": "", "worn": True}, b""
    except Exception as error:  # any fault of any vendor's parser is an answer about this document
        answer, body = {"failed": Reason.CRASHED.value, "message": "", "detail": _describe(error)}, b""
    front = wire.pack(answer, body)
    del answer
    channel.sendall(front)
    if body:
        channel.sendall(body)


def body_is_too_large(answer: wire.Head, body: bytes, limit: int) -> bool:
    """Tell whether an answer would exceed the parent's limit; text counts once in elements and once in cells."""
    text = sum(
        len(text) + sum(len(cell) for row in cells for cell in row)
        for _, text, _, _, cells in answer["elements"]
    )
    return text + len(body) > limit // 2


def _parse(parser: Parser, blob: Blob, media_type: str) -> ParsedDocument:
    """Parse in the parser's own way, or in a plainer one where that fails."""
    try:
        guard.check(blob, media_type)
        parsed = _finished(parser.parse(blob, media_type))
    except MemoryError:
        raise
    except Exception as error:
        parsed = _finished(second_try.read(blob, media_type, error))
    return parsed


def _finished(parsed: ParsedDocument) -> ParsedDocument:
    parsed = tidy.document(parsed)
    if not parsed.elements and not parsed.attachments:
        raise ParseFailed(
            Reason.NO_TEXT,
            "The file holds no text, perhaps only pictures: store a version with text in it.",
        )
    tables = sum(element.kind is ElementKind.TABLE for element in parsed.elements)
    texts = [element.text for element in parsed.elements if element.kind is not ElementKind.CODE]
    return replace(parsed, quality=measured(parsed.quality, texts, n_tables=tables))


def _load(path: str, parsers: dict[str, Parser]) -> Parser:
    if path not in parsers:
        module, _, name = path.partition(":")
        found: Any = importlib.import_module(module)  # Any: a plug-in's module
        for part in name.split("."):
            found = getattr(found, part)
        parser: Parser = found()
        # Imports of vendors belong to loading, not to the first document's time.
        if (warm_up := getattr(parser, "warm_up", None)) is not None:
            warm_up()
        parsers[path] = parser
    return parsers[path]


def _describe(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:500]


def _set_limits(settings: dict[str, int]) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _lower(resource.RLIMIT_FSIZE, settings["written_file_bytes"])
    _lower(resource.RLIMIT_NOFILE, settings["open_files"])
    # RLIMIT_AS is no use: libraries map gigabytes they never touch. RLIMIT_DATA counts private writable memory,
    # that is what fills a machine, and turns a large allocation into MemoryError before a page of it exists.
    _lower(resource.RLIMIT_DATA, settings["memory_bytes"])


def _lower(kind: int, value: int) -> None:
    _, hard = resource.getrlimit(kind)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (value, value))


def _renew_cpu(seconds: int) -> None:
    """Allow *seconds* more of computing; RLIMIT_CPU counts the whole process, which is reused."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime) + 1 + max(1, seconds)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(
        resource.RLIMIT_CPU, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard)
    )


def _end_with_parent(parent: int, folder: str) -> None:
    # Not PR_SET_PDEATHSIG: that fires when the *thread* ends which started this process.
    while os.getppid() == parent:
        time.sleep(1.0)
    # A parent that was killed cannot clean up behind its workers.
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(3)
