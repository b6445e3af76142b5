"""A share opened with ``smbprotocol``: the only place that knows the library.

Its own file functions follow links of a distributed file system to servers that nobody named, and keep one pool of
connections for all; so sessions are made here, to an address that was checked. The library waits for an answer
without end: a timer closes the connection instead.
"""

from __future__ import annotations

import logging
import math
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from kbm.errors import ConfigError
from kbm_connectors.files_server import LineBroken
from kbm_connectors.nt_share import Login, NtEntry, NtFault, NtShare, Unprotected, entries_in

MAX_ANSWER = 65_536
"""Bytes of one answer of a listing; larger ones are not allowed everywhere."""
MAX_READ = 1_048_576
_CREDIT = 65_536
_LOGON_FAILURE = 0xC000006D
_FILE_INTERNAL = 6
_FULL_LISTING = 38
_SECURITY, _FILE = 3, 1
_OWNER_GROUP_LIST = 0x1 | 0x2 | 0x4
_READ_DATA, _READ_ATTRIBUTES, _READ_CONTROL = 0x1, 0x80, 0x2_0000
_FOLDER_ONLY, _NO_FOLDER, _ANYTHING = 0x1, 0x40, 0x0
_SHARE_ALL = 0x7
_OPEN_EXISTING = 1
_RESTART = 1
_WATCH_EVERY_S = 0.5


def open_share(login: Login) -> NtShare:
    """Log in to a share.

    Raises:
        ConfigError: the library is not installed.
        NtFault: the server refuses.
        Unprotected: it does not encrypt, though it must.
        LineBroken: it does not answer.
    """
    try:
        import smbprotocol.connection
        import smbprotocol.session
        import smbprotocol.tree
    except ImportError:
        raise ConfigError(
            "reading smb:// needs a library that is not installed", hint="pip install 'kbm[smb]'"
        ) from None
    # Without a handler of ours, its reports of a broken connection would be printed.
    logging.getLogger("smbprotocol").addHandler(logging.NullHandler())
    connection = smbprotocol.connection.Connection(uuid.uuid4(), login.address, login.port)
    share = SmbShare(login, connection)
    try:
        with share.asked():
            connection.connect(timeout=login.timeout_s)
        with share.asked():
            session = smbprotocol.session.Session(
                connection,
                username=login.user,
                password=login.password,
                require_encryption=login.encrypt,
                hostname_override=login.host,
            )
            session.connect()
        with share.asked():
            share.tree = smbprotocol.tree.TreeConnect(session, rf"\\{login.host}\{login.share}")
            share.tree.connect()
    except BaseException:
        share.close()
        raise
    return share


class SmbShare:
    """A session on a share. Any is the library's, which has no types."""

    tree: Any

    def __init__(self, login: Login, connection: Any) -> None:
        self._login, self._connection = login, connection
        self._watch = _Watch(self._cut_off)

    def number(self, folder: str) -> int:
        data = self._queried(folder, _READ_ATTRIBUTES, _FOLDER_ONLY, _FILE, _FILE_INTERNAL, 0, 8)
        return int.from_bytes(data[:8], "little")

    def descriptor(self, path: str) -> bytes:
        return self._queried(path, _READ_CONTROL, _ANYTHING, _SECURITY, 0, _OWNER_GROUP_LIST, MAX_ANSWER)

    def entries(self, folder: str) -> list[NtEntry]:
        from smbprotocol.exceptions import NoMoreFiles, NoSuchFile
        from smbprotocol.open import SMB2QueryDirectoryRequest, SMB2QueryDirectoryResponse

        found: list[NtEntry] = []
        with self._opened(folder, _READ_DATA | _READ_ATTRIBUTES, _FOLDER_ONLY) as file:
            flags = _RESTART
            while True:
                query = SMB2QueryDirectoryRequest()
                query["file_information_class"] = _FULL_LISTING
                query["flags"] = flags
                query["file_id"] = file.file_id
                query["output_buffer_length"] = MAX_ANSWER
                query["buffer"] = "*".encode("utf-16-le")
                flags = 0
                try:
                    with self.asked(passing=(NoMoreFiles, NoSuchFile)):
                        answer = SMB2QueryDirectoryResponse()
                        answer.unpack(self._answer(query))
                        found.extend(entries_in(answer["buffer"].get_value()))
                except (NoMoreFiles, NoSuchFile):
                    return found

    def read(self, path: str, limit: int) -> bytes | None:
        from smbprotocol.exceptions import EndOfFile

        data = bytearray()
        with self._opened(path, _READ_DATA | _READ_ATTRIBUTES, _NO_FOLDER) as file:
            size = file.end_of_file
            while len(data) < size <= limit:
                window = self._connection.sequence_window
                room = max(1, window["high"] - window["low"]) * _CREDIT
                length = min(size - len(data), MAX_READ, room, self._connection.max_read_size)
                try:
                    with self.asked(passing=(EndOfFile,)):
                        data += file.read(len(data), length)
                except EndOfFile:
                    raise LineBroken("a file became shorter while it was read") from None
        return bytes(data) if size <= limit else None

    def close(self) -> None:
        self._watch.stop()
        # Nothing is left open there that a closed connection does not end.
        with suppress(Exception):
            self._connection.disconnect(close=False)

    @contextmanager
    def asked(self, passing: tuple[type[Exception], ...] = ()) -> Iterator[None]:
        """Turn what the library raises into ours; errors of the types *passing* are the caller's."""
        from smbprotocol.exceptions import SMBAuthenticationError, SMBResponseException

        self._watch.begin(self._login.timeout_s)
        try:
            yield
        except passing:
            raise
        except SMBResponseException as error:
            raise NtFault(error.status) from None
        except SMBAuthenticationError:
            raise NtFault(_LOGON_FAILURE) from None
        except Exception as error:  # bytes that make no sense end as any error of the library's
            if self._watch.has_fired:
                raise LineBroken(f"no answer within {self._login.timeout_s:.0f} seconds") from None
            if "encryption" in str(error) or "guest" in str(error):
                raise Unprotected from None
            raise LineBroken("no connection, or it broke off") from None
        finally:
            self._watch.end()

    def _cut_off(self) -> None:
        if self._connection.transport is not None:
            self._connection.transport.close()

    @contextmanager
    def _opened(self, path: str, rights: int, options: int) -> Iterator[Any]:
        file = self._file(path)
        with self.asked():
            file.create(2, rights, 0, _SHARE_ALL, _OPEN_EXISTING, options)
        try:
            yield file
        finally:
            # What it said before counts, not whether it takes leave.
            with suppress(Exception), self.asked():
                file.close()

    def _queried(
        self, path: str, rights: int, options: int, kind: int, what: int, more: int, room: int
    ) -> bytes:
        """Open, ask and close in one message: there may be one question for each file."""
        from smbprotocol.open import SMB2QueryInfoRequest, SMB2QueryInfoResponse

        file = self._file(path)
        query = SMB2QueryInfoRequest()
        query["info_type"] = kind
        query["file_info_class"] = what
        query["additional_information"] = more
        query["output_buffer_length"] = room
        query["file_id"] = file.file_id
        opened, _ = file.create(2, rights, 0, _SHARE_ALL, _OPEN_EXISTING, options, send=False)
        closed, _ = file.close(send=False)
        with self.asked():
            session = self.tree.session
            requests = self._connection.send_compound(
                [opened, query, closed], session.session_id, self.tree.tree_connect_id, related=True
            )
            answers = []
            fault: Exception | None = None
            for request in requests:
                # Each answer must be taken, or it stays with the connection for good.
                try:
                    answers.append(self._connection.receive(request)["data"].get_value())
                except Exception as error:
                    fault = fault or error
            if fault is not None:
                raise fault
            answer = SMB2QueryInfoResponse()
            answer.unpack(answers[1])
            return bytes(answer["buffer"].get_value())

    def _file(self, path: str) -> Any:
        from smbprotocol.open import Open

        if self.tree.is_dfs_share:
            path = "\\".join(part for part in (self._login.host, self._login.share, path) if part)
        return Open(self.tree, path)

    def _answer(self, query: Any) -> bytes:
        session = self.tree.session
        request = self._connection.send(query, session.session_id, self.tree.tree_connect_id)
        return bytes(self._connection.receive(request)["data"].get_value())


class _Watch:
    """Closes a connection when an answer takes too long: one thread, since questions are many."""

    def __init__(self, close: Callable[[], None]) -> None:
        self._close, self._over = close, threading.Event()
        self._until = math.inf
        self.has_fired = False
        threading.Thread(target=self._run, name="smb-watch", daemon=True).start()

    def begin(self, timeout_s: float) -> None:
        """Start the time of one question."""
        self._until = time.monotonic() + timeout_s

    def end(self) -> None:
        """It was answered."""
        self._until = math.inf

    def stop(self) -> None:
        """Watch no longer."""
        self._over.set()

    def _run(self) -> None:
        while not self._over.wait(_WATCH_EVERY_S):
            if time.monotonic() > self._until:
                self.has_fired = True
                self._close()
                return
