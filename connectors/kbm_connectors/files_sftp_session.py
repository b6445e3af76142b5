"""A session opened with ``paramiko``: the only place that knows the library.

Its own listing takes names for UTF-8 and fails over a folder with any other name in it, and its faster one takes a
connection that breaks off for the end of the folder; so folders are listed here.
"""

from __future__ import annotations

import base64
import binascii
import io
import logging
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kbm.errors import ConfigError, ConnectorRefused
from kbm_connectors.files_server import LineBroken
from kbm_connectors.files_sftp import PORT, Login, SftpEntry, SftpSession

if TYPE_CHECKING:
    import paramiko

_CONNECT_WITHIN_S = 10.0
_AT_ONCE = 64
"""Requests under way for one file: OpenSSH takes no more."""
_OPEN_FOLDER, _READ_FOLDER, _CLOSE, _REAL_PATH = 11, 12, 4, 16
_IS_HANDLE, _IS_NAMES = 102, 104
_RSA_SIGNATURES = ("rsa-sha2-512", "rsa-sha2-256")


def open_session(login: Login) -> SftpSession:
    """Log in.

    Raises:
        ConfigError: the library is not installed, or a key cannot be read.
        ConnectorRefused: the server is not the one that was named, or does not take the account.
        LineBroken: it does not answer.
    """
    try:
        import paramiko
    except ImportError:
        raise ConfigError(
            "reading sftp:// needs a library that is not installed", hint="pip install 'kbm[sftp]'"
        ) from None
    # Without a handler of ours, its reports of a broken connection would be printed.
    logging.getLogger("paramiko").addHandler(logging.NullHandler())
    expected = _expected_keys(login)
    key = _private_key(login) if login.private_key else None
    try:
        plain = socket.create_connection((login.address, login.port), min(_CONNECT_WITHIN_S, login.timeout_s))
    except OSError:
        raise LineBroken("no connection") from None
    transport = None
    try:
        with _asked(login, lambda: False):
            transport = paramiko.Transport(plain)
            transport.banner_timeout = transport.auth_timeout = login.timeout_s
            options = transport.get_security_options()
            if expected:
                wanted = {one for name in expected for one in _algorithms(name)}
                options.key_types = tuple(one for one in options.key_types if one in wanted)
            transport.start_client(timeout=login.timeout_s)
            _check_host_key(login, transport.get_remote_server_key(), expected)
            if key is None:
                transport.auth_password(login.user, login.password)
            else:
                transport.auth_publickey(login.user, key)
            channel = transport.open_session(timeout=login.timeout_s)
            channel.settimeout(login.timeout_s)
            channel.invoke_subsystem("sftp")
            return _Session(login, transport, paramiko.SFTPClient(channel))
    except BaseException:
        if transport is not None:
            transport.close()
        plain.close()
        raise


class _Session:
    """Asks a server, with paths in the bytes that it uses."""

    def __init__(self, login: Login, transport: paramiko.Transport, client: paramiko.SFTPClient) -> None:
        self._login, self._transport, self._client = login, transport, client
        # Any: requests that the library has no method for are made through one of its own.
        self._request: Any = client._request  # type: ignore[attr-defined]

    def entries(self, folder: str) -> list[SftpEntry]:
        found: list[SftpEntry] = []
        with _asked(self._login, self._alive):
            kind, answer = self._request(_OPEN_FOLDER, os.fsencode(folder))
            if kind != _IS_HANDLE:
                raise LineBroken("its answer makes no sense")
            handle = answer.get_string()
            while True:
                try:
                    kind, answer = self._request(_READ_FOLDER, handle)
                except EOFError:  # the server's word for the end; a broken connection is another error
                    break
                if kind != _IS_NAMES:
                    raise LineBroken("its answer makes no sense")
                found.extend(_named(answer) for _ in range(answer.get_int()))
            self._request(_CLOSE, handle)
        complete = []
        for one in found:
            # A server may leave out what it would have to look up.
            known = one.mode or one.name in (".", "..")
            complete.append(one if known else self.entry(f"{folder.rstrip('/')}/{one.name}"))
        return complete

    def entry(self, path: str) -> SftpEntry:
        with _asked(self._login, self._alive):
            found = self._client.stat(os.fsencode(path))
        return SftpEntry(
            name=path.rpartition("/")[2],
            mode=found.st_mode or 0,
            size=found.st_size or 0,
            modified=int(found.st_mtime or 0),
        )

    def real_path(self, path: str) -> str:
        with _asked(self._login, self._alive):
            kind, answer = self._request(_REAL_PATH, os.fsencode(path))
            if kind != _IS_NAMES or answer.get_int() != 1:
                raise LineBroken("its answer makes no sense")
            return os.fsdecode(answer.get_string())

    def read(self, path: str, size: int) -> bytes:
        with _asked(self._login, self._alive), self._client.open(os.fsencode(path), "rb") as file:
            file.prefetch(size, _AT_ONCE)
            return bytes(file.read(size))

    def _alive(self) -> bool:
        channel = self._client.get_channel()
        return self._transport.is_active() and channel is not None and not channel.closed

    def close(self) -> None:
        # Whatever state it is in: it is not needed any more.
        with suppress(Exception):
            self._transport.close()


@contextmanager
def _asked(login: Login, alive: Callable[[], bool]) -> Iterator[None]:
    """Turn what the library raises into ours; while it is *alive*, ``OSError`` is what the server says of a path."""
    import paramiko

    try:
        yield
    except (LineBroken, ConnectorRefused):
        raise
    except paramiko.BadAuthenticationType:
        raise ConnectorRefused(
            "it does not let the account in with a password" if login.password else "it takes no private key",
            hint="use private_key" if login.password else "use password",
        ) from None
    except paramiko.AuthenticationException:
        what = "password" if login.password else "private key"
        raise ConnectorRefused(
            f"the account or its {what} is not taken", hint=f"check user and {what.replace(' ', '_')}"
        ) from None
    except paramiko.ssh_exception.IncompatiblePeer:
        raise ConnectorRefused(
            "it has no key of the kind that is expected, or speaks none of the methods that are safe",
            hint="compare its keys with host_key or known_hosts",
        ) from None
    except TimeoutError:
        raise LineBroken(f"no answer within {login.timeout_s:.0f} seconds") from None
    except OSError as error:
        if not isinstance(error, ConnectionError) and alive():
            raise
        raise LineBroken("the connection broke off") from None
    except Exception:  # bytes that make no sense end as any error of the library's
        raise LineBroken("no connection, or it broke off") from None


def _named(answer: Any) -> SftpEntry:
    """Read one name of a listing with what is said of it; Any is the library's message."""
    name = os.fsdecode(answer.get_string())
    answer.get_string()  # the same in the form of `ls -l`
    flags = answer.get_int()
    size = answer.get_int64() if flags & 1 else 0
    if flags & 2:
        answer.get_int()
        answer.get_int()
    mode = answer.get_int() if flags & 4 else 0
    modified = 0
    if flags & 8:
        answer.get_int()
        modified = answer.get_int()
    for _ in range(answer.get_int() if flags & 0x8000_0000 else 0):
        answer.get_string()
        answer.get_string()
    if not flags & 1 or not flags & 8:
        mode = 0
    return SftpEntry(name=name, mode=mode, size=size, modified=modified)


# --- keys


def _expected_keys(login: Login) -> dict[str, set[bytes]]:
    """Give the server's keys by kind; empty when only a fingerprint is known.

    Raises:
        ConnectorRefused: none is known.
    """
    if login.host_key.startswith("SHA256:"):
        return {}
    if login.host_key:
        kind, text = login.host_key.split()[:2]
        try:
            return {kind: {base64.b64decode(text, validate=True)}}
        except binascii.Error:
            raise ConfigError("host_key is no whole key", hint="copy it as ssh-keyscan prints it") from None
    found = _known_keys(login.known_hosts, _known_name(login))
    if not found:
        raise ConnectorRefused(
            f"its key is not known: {' and '.join(map(str, login.known_hosts))} do not name {_known_name(login)}",
            hint=f"ask whoever runs it for its key and set host_key; `ssh-keyscan -p {login.port} {login.host}` "
            "shows what it claims",
        )
    return found


def _known_keys(files: Sequence[Path], name: str) -> dict[str, set[bytes]]:
    import paramiko

    found: dict[str, set[bytes]] = {}
    for file in files:
        if not file.exists() and len(files) > 1:
            continue  # one of the usual places
        known = paramiko.HostKeys()
        try:
            known.load(str(file))
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "no text"
            raise ConfigError(f"known_hosts: {file} cannot be read: {why.lower()}") from None
        for kind, key in (known.lookup(name) or {}).items():
            found.setdefault(kind, set()).add(key.asbytes())
    return found


def _known_name(login: Login) -> str:
    return login.host if login.port == PORT else f"[{login.host}]:{login.port}"


def _algorithms(kind: str) -> tuple[str, ...]:
    return _RSA_SIGNATURES if kind == "ssh-rsa" else (kind,)


def _check_host_key(login: Login, key: paramiko.PKey, expected: dict[str, set[bytes]]) -> None:
    fingerprint = str(key.fingerprint)
    if fingerprint == login.host_key.rstrip("=") or key.asbytes() in expected.get(key.get_name(), set()):
        return
    raise ConnectorRefused(
        f"its key is another one than expected: it shows {key.get_name()} {fingerprint}",
        hint="if the server was set up anew, ask whoever runs it for its key; else somebody stands in between",
    )


def _private_key(login: Login) -> paramiko.PKey:
    import paramiko

    kinds: tuple[type[paramiko.PKey], ...] = (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey)
    for kind in kinds:
        try:
            return kind.from_private_key(io.StringIO(login.private_key), login.key_password or None)
        except paramiko.PasswordRequiredException:
            raise ConfigError(
                "private_key is protected by a password", hint="name it with key_password"
            ) from None
        except Exception:  # noqa: S112 - each kind says in its own way that the key is of another one
            continue
    raise ConfigError(
        "private_key is no private key, or key_password does not open it",
        hint="Ed25519, ECDSA or RSA, as ssh-keygen writes them",
    )
