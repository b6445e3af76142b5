"""An SFTP server on loopback that shows a real folder and can be broken in chosen ways."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import paramiko
from kbm_connectors.files import FilesConnector

PASSWORD = "correct-horse"
USER = "kbm"
PERMISSION_DENIED, FAILURE, READ_FOLDER = 3, 4, 12
HOST_KEY = paramiko.ECDSAKey.generate()
"""One for all tests: making one takes time."""
CLIENT_KEY = paramiko.ECDSAKey.generate()

AN_HOUR_AGO = time.time() - 3600


@dataclass
class SftpStub:
    """The server. ``fault``: ``down``, ``cut`` (breaks off when asked), ``silent``, ``denied``, ``other key``.

    Paths in ``forbidden`` and the keys of ``at_folder`` are below ``tree``.
    """

    tree: Path
    port: int = 0
    fault: str = ""
    forbidden: set[str] = field(default_factory=set)
    at_folder: dict[str, str] = field(default_factory=dict)
    names: dict[str, list[bytes]] = field(default_factory=dict)  # more names, by folder
    asked: list[str] = field(default_factory=list)
    transports: list[paramiko.Transport] = field(default_factory=list)
    password: str = PASSWORD
    other_key: paramiko.PKey = field(default_factory=paramiko.ECDSAKey.generate)
    n_logins: int = 0

    def cut(self) -> None:
        """Break every connection off."""
        for transport in self.transports:
            transport.close()
        self.transports.clear()

    def below(self, path: str) -> str:
        """Name a path below the tree."""
        return os.path.relpath(self.tree / path, self.tree)

    def ask(self, what: str, path: str) -> int | None:
        """Note a request; gives the status it is refused with."""
        below = self.below(path)
        self.asked.append(f"{what} {below}")
        fault = self.at_folder.get(below, self.fault)
        if fault == "cut":
            self.cut()
        if fault == "silent":
            time.sleep(5.0)
        if fault == "failure":
            return FAILURE
        if any(below == one or below.startswith(f"{one}/") for one in self.forbidden):
            return PERMISSION_DENIED
        return None

    def serve(self, listener: socket.socket) -> None:
        """Take connections until the listener is closed."""
        while True:
            try:
                plain, _ = listener.accept()
            except OSError:
                return
            if self.fault == "down":
                plain.close()
                continue
            transport = paramiko.Transport(plain)
            self.transports.append(transport)
            transport.add_server_key(self.other_key if self.fault == "other key" else HOST_KEY)
            transport.set_subsystem_handler("sftp", _Breakable, _Files, self)
            with suppress(paramiko.SSHException, EOFError, OSError):
                transport.start_server(server=_Door(self), event=threading.Event())


class _Door(paramiko.ServerInterface):
    def __init__(self, stub: SftpStub) -> None:
        self.stub = stub

    def get_allowed_auths(self, username: str) -> str:
        return "password,publickey"

    def check_auth_password(self, username: str, password: str) -> int:
        return self._taken(username == USER and password == self.stub.password)

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        return self._taken(username == USER and key == CLIENT_KEY)

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.OPEN_SUCCEEDED  # type: ignore[attr-defined, no-any-return]

    def _taken(self, right: bool) -> int:
        right = right and self.stub.fault != "denied"
        self.stub.n_logins += right
        return paramiko.AUTH_SUCCESSFUL if right else paramiko.AUTH_FAILED  # type: ignore[attr-defined, no-any-return]


class _Breakable(paramiko.SFTPServer):
    def __init__(self, channel: Any, name: str, server: Any, kind: Any, stub: SftpStub) -> None:
        super().__init__(channel, name, server, kind, stub)
        self.stub, self.n_parts = stub, 0

    def _process(self, kind: int, number: int, message: paramiko.Message) -> None:
        """Answer a request; with the fault ``half``, break off after the first part of a longer listing."""
        self.n_parts = self.n_parts + 1 if kind == READ_FOLDER else 0
        if self.stub.fault == "half" and self.n_parts == 2:
            self.stub.cut()
        super()._process(kind, number, message)  # type: ignore[misc]


class _Files(paramiko.SFTPServerInterface):
    def __init__(self, server: paramiko.ServerInterface, stub: SftpStub) -> None:
        self.stub = stub

    def list_folder(self, path: str) -> list[paramiko.SFTPAttributes] | int:
        refused = self.stub.ask("list", path)
        if refused is not None:
            return refused
        try:
            found = [
                paramiko.SFTPAttributes.from_stat(entry.stat(follow_symlinks=False), entry.name)
                for entry in os.scandir(self.stub.tree / path)
            ]
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno or 0)
        for name in self.stub.names.get(self.stub.below(path), []):
            made = paramiko.SFTPAttributes()
            made.filename = name  # type: ignore[assignment]  # as bytes, which need be no text
            made.st_mode, made.st_size, made.st_mtime, made.st_atime = 0o100644, 1, 1, 1
            found.append(made)
        return found

    def stat(self, path: str) -> paramiko.SFTPAttributes | int:
        refused = self.stub.ask("stat", path)
        if refused is not None:
            return refused
        try:
            return paramiko.SFTPAttributes.from_stat(os.stat(self.stub.tree / path))
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno or 0)

    def canonicalize(self, path: str) -> str:
        return os.path.realpath(os.path.join(self.stub.tree, path))

    def open(self, path: str, flags: int, attr: paramiko.SFTPAttributes) -> paramiko.SFTPHandle | int:
        refused = self.stub.ask("open", path)
        if refused is not None:
            return refused
        try:
            file = open(self.stub.tree / path, "rb")  # noqa: SIM115 - closed with the handle
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno or 0)
        handle = paramiko.SFTPHandle(flags)
        handle.readfile = file  # type: ignore[attr-defined]
        return handle


@contextmanager
def serving(tree: Path) -> Iterator[SftpStub]:
    """Serve *tree* until the end of the block."""
    stub = SftpStub(tree)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(20)
        stub.port = listener.getsockname()[1]
        thread = threading.Thread(target=stub.serve, args=(listener,), daemon=True)
        thread.start()
        try:
            yield stub
        finally:
            # accept() goes on in a closed socket of Linux: one more connection wakes it up.
            stub.fault = "down"
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(5)
            stub.cut()


def no_pause(_: float) -> None:
    """Do not wait between tries."""


@dataclass
class Server:
    """A source on the server, as the contract's suite changes it."""

    stub: SftpStub
    root: Path
    broken_by: str = "down"

    def connect(self, **more: Any) -> FilesConnector:
        (self.root / "password").write_text(PASSWORD)
        settings = {
            "url": f"sftp://{USER}@127.0.0.1:{self.stub.port}{self.stub.tree}",
            "password": "file:password",
            "host_key": f"{HOST_KEY.get_name()} {HOST_KEY.get_base64()}",
            "allow_private": True,
            "max_requests_per_second": 10_000,
            **more,
        }
        return FilesConnector("archive", settings, self.root, pause=no_pause)

    def make(self, id: str, text: str, at: float = AN_HOUR_AGO) -> None:
        path = self.stub.tree / id
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        os.utime(path, (at, at))

    edit = make

    def remove(self, id: str) -> None:
        (self.stub.tree / id).unlink()

    def break_part(self, id: str) -> None:
        self.stub.forbidden.add(id.rpartition("/")[0])

    def break_root(self) -> None:
        self.stub.fault = self.broken_by
        self.stub.cut()
