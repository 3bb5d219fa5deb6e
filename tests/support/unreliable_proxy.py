"""A small HTTP proxy in front of a tracking server, which delays, loses, cuts or invents replies, or goes away."""

from __future__ import annotations

import hashlib
import http.client
import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

NOT_FORWARDED = ("connection", "transfer-encoding", "content-length")


@dataclass(frozen=True)
class Fault:
    """The proxy's misbehaviour for one request. With a `status` it answers in the server's place."""

    delay_s: float = 0.0
    """Seconds to wait before anything else."""
    status: int = 0
    """The status of an invented reply; 0 to ask the server."""
    body: bytes = b""
    """The invented reply."""
    lost: bool = False
    """True to close the connection in place of the server's reply."""
    reset: bool = False
    """True to reset the connection before the server is asked."""
    late: threading.Event | None = None
    """Set once the server is to be asked, long after the connection was closed."""


NO_FAULT = Fault()
HTML = b"<html><body>Please log in</body></html>"


class UnreliableProxy:
    """A context in which the proxy runs; its `url` stays the same through all outages, and `lost` counts lost replies.

    Args:
        upstream: The server's port on loopback.
        drop_first_replies: Lose the first reply to each different POST after the server has acted on it.
        fault_for: Given method and path of a request, returns how to misbehave.
    """

    def __init__(
        self,
        upstream: int,
        *,
        drop_first_replies: bool = False,
        fault_for: Callable[[str, str], Fault] = lambda method, path: NO_FAULT,
    ) -> None:
        self.upstream = upstream
        self.drop_first_replies = drop_first_replies
        self.fault_for = fault_for
        self.lost = 0
        self._seen: set[str] = set()
        self._guard = threading.Lock()
        self._port = 0
        self._server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def __enter__(self) -> UnreliableProxy:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def start(self) -> None:
        proxy = self

        class Handler(_Forwarding):
            owner = proxy

        self._server = _QuietServer(("127.0.0.1", self._port), Handler)
        self._server.daemon_threads = True
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        """Refuses connections until `start`."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def loses_reply(self, method: str, path: str, body: bytes) -> bool:
        if method != "POST" or not self.drop_first_replies:
            return False
        request = hashlib.sha256(path.encode() + b"\0" + body).hexdigest()
        with self._guard:
            first = request not in self._seen
            self._seen.add(request)
            self.lost += first
        return first


class _QuietServer(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Reports no client that went away and no server that does not answer: tests cause both on purpose."""


class _Forwarding(BaseHTTPRequestHandler):
    owner: UnreliableProxy

    def _forward(self) -> None:
        body = self._body()
        fault = self.owner.fault_for(self.command, self.path)
        self.close_connection = True
        time.sleep(fault.delay_s)
        if fault.reset:
            # Closing a socket that lingers for no time sends a reset.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return
        if fault.status:
            self._reply(fault.status, [("Content-Type", "text/html")], fault.body)
            return
        if fault.late:
            threading.Thread(target=lambda: fault.late.wait() and self._ask(body), daemon=True).start()
            return
        answer, content = self._ask(body)
        if not fault.lost and not self.owner.loses_reply(self.command, self.path, body):
            self._reply(answer.status, answer.getheaders(), content)

    def _ask(self, body: bytes) -> tuple[http.client.HTTPResponse, bytes]:
        headers = {name: value for name, value in self.headers.items() if name.lower() not in NOT_FORWARDED}
        headers["Host"] = f"127.0.0.1:{self.owner.upstream}"
        with closing(http.client.HTTPConnection("127.0.0.1", self.owner.upstream, timeout=60)) as connection:
            connection.request(self.command, self.path, body, {**headers, "Content-Length": str(len(body))})
            answer = connection.getresponse()
            return answer, answer.read()

    def _reply(self, status: int, headers: list[tuple[str, str]], content: bytes) -> None:
        self.send_response(status)
        for name, value in headers:
            if name.lower() not in NOT_FORWARDED:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _forward  # noqa: N815, the names that http.server calls

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002, http.server's own name
        """Says nothing: the test looks at the tracking server."""
