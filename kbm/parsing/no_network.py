"""Take the network from a process for good, and from every process it will start.

An audit hook sees what Python does. A converter that a parser starts is another program, and an old Word file may
name pictures by address; so the kernel refuses to give out a socket of the internet families (seccomp, which a
process may lay upon itself without any rights). Where the kernel has no such filter, only Python is kept in, and
parsers start no other program.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import struct
import sys

# From the kernel's headers: a filter is a small program over the number and the arguments of a system call.
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | errno.EACCES
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16
_NO_NEW_PRIVILEGES, _SECCOMP, _FILTER = 38, 22, 2
_UNIX = 1
_NETLINK = 16
_IO_URING_SETUP = 425
_X32 = 0x40000000

_MACHINES = {"x86_64": (0xC000003E, 41), "aarch64": (0xC00000B7, 198)}
"""Architecture as the kernel names it, and the number of ``socket``."""

_refused = False


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def refuse() -> bool:
    """Refuse the network; tells whether that holds for other programs too."""
    global _refused
    sys.addaudithook(_hook)
    _refused = _refuse_in_kernel()
    return _refused


def holds_for_programs() -> bool:
    """Tell whether programs that this process starts have no network."""
    return _refused


def _hook(event: str, _: tuple[object, ...]) -> None:
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"):
        raise PermissionError(f"parsers have no network ({event})")


def _refuse_in_kernel() -> bool:
    if sys.platform != "linux" or platform.machine() not in _MACHINES:
        return False
    code = _filter(*_MACHINES[platform.machine()])
    program = _Program(len(code) // 8, code)
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    zero = ctypes.c_ulong(0)
    if prctl(_NO_NEW_PRIVILEGES, ctypes.c_ulong(1), zero, zero, zero) != 0:
        return False
    return int(prctl(_SECCOMP, ctypes.c_ulong(_FILTER), ctypes.byref(program), zero, zero)) == 0


def _filter(architecture: int, socket_call: int) -> bytes:
    """Write the filter: only local sockets, and none by a door that goes around the call."""
    refuse, allow = 11, 10
    steps = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 0, refuse - 2, architecture),
        (_LOAD, 0, 0, _NUMBER),
        (_AT_LEAST, refuse - 4, 0, _X32),
        (_EQUAL, refuse - 5, 0, _IO_URING_SETUP),
        (_EQUAL, 0, allow - 6, socket_call),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        (_EQUAL, allow - 8, 0, _UNIX),
        (_EQUAL, allow - 9, 0, _NETLINK),
        (_EQUAL, refuse - 10, refuse - 10, 0),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE),
    ]
    return b"".join(struct.pack("<HBBI", *step) for step in steps)
