"""What one document may cost before it is given up.

The defaults let every document of an ordinary office pass with a wide margin (median under 20 ms and 300 MB for
the process) and stop the known disasters: one published 7 MB spreadsheet needs more than 10 GB of memory.
"""

from __future__ import annotations

from dataclasses import dataclass

MEGABYTE = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of one document and of the worker process that parses it; sizes in bytes, times in seconds."""

    document_bytes: int = 256 * MEGABYTE
    """Larger blobs are refused before a worker sees them."""
    wall_s: float = 120.0
    """From the moment the parser is loaded until its result is there."""
    cpu_s: float = 120.0
    recognition_s: float = 600.0
    """Instead of ``wall_s`` where the text of scans and pictures is recognised; 0 leaves them unread."""
    start_s: float = 120.0
    """For starting the process and importing the parser: the first import on a machine compiles much."""
    memory_bytes: int = 2048 * MEGABYTE
    result_bytes: int = 512 * MEGABYTE
    """Elements and attachments together, as they come back."""
    written_file_bytes: int = 64 * MEGABYTE
    open_files: int = 256
    processes: int = 64
    """Of the worker's own session, itself included; a parser that starts more is killed."""
    recycle_documents: int = 200
    recycle_memory_bytes: int = 1024 * MEGABYTE
    """A worker that still holds more than this after a document is replaced."""
