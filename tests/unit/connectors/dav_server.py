"""A WebDAV server in memory that can be made to misbehave in the ways real ones and their proxies do."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote, unquote
from xml.sax.saxutils import escape

LOGIN = b"<html><head><title>Sign in</title></head><body><form><input type=password></form></body></html>"


class DavServer:
    """Files by path below ``/dav/``; ``fault`` says what goes wrong, ``forbidden`` which folders answer 403."""

    def __init__(self) -> None:
        self.files: dict[str, str] = {}
        self.fault = ""
        self.forbidden: set[str] = set()
        self.at_folder: dict[str, str] = {}
        self.requests: list[str] = []
        self.modified = "Mon, 02 Nov 2026 08:00:00 GMT"
        self.by_time = False
        """Whether etags are made of size and time in whole seconds, as many servers' are."""
        self.port = 0

    def folders(self) -> set[str]:
        found = {""}
        for path in self.files:
            parts = path.split("/")[:-1]
            found |= {"/".join(parts[: at + 1]) for at in range(len(parts))}
        return found

    def listing(self, folder: str) -> str:
        start = f"{folder}/" if folder else ""
        told = [self._response(folder, is_folder=True)]
        told += [
            self._response(path, is_folder=True)
            for path in sorted(self.folders())
            if path and path.startswith(start) and "/" not in path[len(start) :]
        ]
        told += [
            self._response(path, is_folder=False)
            for path in sorted(self.files)
            if path.startswith(start) and "/" not in path[len(start) :]
        ]
        return f'<?xml version="1.0"?><D:multistatus xmlns:D="DAV:">{"".join(told)}</D:multistatus>'

    def _response(self, path: str, *, is_folder: bool) -> str:
        href = f"/dav/{quote(path)}" + ("/" if is_folder and path else "")
        if is_folder:
            properties = "<D:resourcetype><D:collection/></D:resourcetype>"
        else:
            text = self.files[path].encode()
            etag = hashlib.sha1(text, usedforsecurity=False).hexdigest()
            if self.by_time:
                etag = f"{len(text)}-{self.modified}"
            properties = (
                f'<D:resourcetype/><D:getetag>"{etag}"</D:getetag><D:getcontentlength>{len(text)}'
                f"</D:getcontentlength><D:getlastmodified>{self.modified}</D:getlastmodified>"
            )
        return (
            f"<D:response><D:href>{escape(href)}</D:href><D:propstat><D:prop>{properties}</D:prop>"
            "<D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>"
        )


@contextmanager
def serving() -> Iterator[DavServer]:
    """Run a server on this machine."""
    server = DavServer()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            """Keep quiet."""

        def _answer(
            self, status: int, body: bytes, media_type: str = "application/xml", length: int = -1
        ) -> None:
            self.send_response(status)
            self.send_header("Content-Type", media_type)
            self.send_header("Content-Length", str(length if length >= 0 else len(body)))
            self.end_headers()
            self.wfile.write(body)
            self.close_connection = True

        def _path(self) -> str:
            return unquote(self.path).removeprefix("/dav/").rstrip("/")

        def _refused(self, fault: str) -> bool:
            match fault:
                case "down":
                    self._answer(503, b"")
                case "login":
                    self._answer(200, LOGIN, "text/html")
                case "empty":
                    self._answer(200, b"")
                case "redirect":
                    self.send_response(302)
                    self.send_header("Location", "https://login.example/")
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                case _:
                    return False
            return True

        def do_PROPFIND(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            folder = self._path()
            server.requests.append(f"PROPFIND {folder}")
            fault = server.at_folder.get(folder, server.fault)
            if self._refused(fault):
                return
            if self.headers.get("Authorization") is None or folder in server.forbidden:
                self._answer(403, b"")
                return
            if folder not in server.folders():
                self._answer(404, b"")
                return
            body = server.listing(folder).encode()
            match fault:
                case "ghost":
                    self._answer(207, b'<?xml version="1.0"?><D:multistatus xmlns:D="DAV:"/>')
                case "half":
                    self._answer(207, body[: len(body) // 2])
                case "cut":
                    self._answer(207, body[: len(body) // 2], length=len(body))
                case _:
                    self._answer(207, body)

        def do_GET(self) -> None:
            server.requests.append(f"GET {self._path()}")
            if self._refused(server.fault):
                return
            if self._path() in server.files:
                self._answer(200, server.files[self._path()].encode(), "text/plain")
            else:
                self._answer(404, b"")

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.port = http.server_address[1]
    thread = threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
