"""What goes over the pipe between kbm and a detector's process: length, then JSON. Nothing is unpickled."""

from __future__ import annotations

import base64
import json
import struct
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from kbm.domain.review import Findings, Near, Pair, ReviewWindow
from kbm.ports import Vectors

WINDOW = TypeAdapter(ReviewWindow)
FINDINGS = TypeAdapter(Findings)
NEAREST = TypeAdapter(list[list[Near]])
PAIRS = TypeAdapter(list[Pair])

HEAD = struct.Struct("<Q")
LARGEST = 1 << 30
"""Bytes of one message to a detector."""
LARGEST_BACK = 1 << 26
"""Bytes of one message from a detector: what it finds and asks is small, whatever it was shown."""

Message = dict[str, Any]  # JSON


def pack(message: Message) -> bytes:
    """Write a message."""
    body = json.dumps(message).encode()
    return HEAD.pack(len(body)) + body


def unpack(body: bytes) -> Message:
    """Read a message.

    Raises:
        ValueError: it is no JSON object.
    """
    try:
        found = json.loads(body)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(found, dict):
        raise ValueError("a message must be an object")
    return found


def vectors_to_json(vectors: Vectors) -> Message:
    """Write vectors, bit for bit."""
    data = np.ascontiguousarray(vectors, dtype="<f4")
    return {"shape": list(data.shape), "data": base64.b64encode(data.tobytes()).decode()}


def vectors_from_json(stored: Message) -> Vectors:
    """Read what :func:`vectors_to_json` wrote."""
    data = np.frombuffer(base64.b64decode(stored["data"]), dtype="<f4")
    return data.reshape(stored["shape"]).astype(np.float32)
