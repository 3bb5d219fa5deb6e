"""Keeps web pages from asking a scoring server on this machine: each request's Host and Origin are checked.

`mlflow models serve` checks neither, so a page of `10.evil.example`, a name that its owner lets resolve to
127.0.0.1, could read a model's answers (DNS rebinding). An address in numbers cannot be rebound, so those pass, and
`localhost`; any other name that a server is reached by is listed in MLflow's own variables
MLFLOW_SERVER_ALLOWED_HOSTS and MLFLOW_SERVER_CORS_ALLOWED_ORIGINS, or `*` to check nothing.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from fnmatch import fnmatchcase
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

HOSTS_VARIABLE = "MLFLOW_SERVER_ALLOWED_HOSTS"
ORIGINS_VARIABLE = "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS"
# Being imported when MLflow loads the model for its scoring server, and only then.
_SCORING_SERVER = "mlflow.pyfunc.scoring_server.app"

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]


class HostGuard:
    """ASGI middleware: passes requests of its own hosts and origins on, and answers others with 403 and the reason."""

    def __init__(self, app: Application) -> None:
        self.app = app
        self.hosts = _listed(HOSTS_VARIABLE)
        self.origins = _listed(ORIGINS_VARIABLE)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        reason = self.refusal(headers.get("host", ""), headers.get("origin"))
        if reason is None:
            await self.app(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": 403, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": reason.encode()})

    def refusal(self, host: str, origin: str | None) -> str | None:
        """Why a request with these headers is refused, or None. origin: None without the header."""
        if not _is_own(_host_name(host)) and not _matches(host, self.hosts):
            return f"Host '{host[:100]}' is not this server's; list it in {HOSTS_VARIABLE}"
        if origin is None or _matches(origin, self.origins) or origin.partition("://")[2] == host:
            return None
        return f"Origin '{origin[:100]}' is not this server's; list it in {ORIGINS_VARIABLE}"


def guard_scoring_server() -> None:
    """Called as MLflow's scoring server loads the model: the application that it makes next gets the guard."""
    if _SCORING_SERVER not in sys.modules:
        return
    import fastapi
    from starlette.middleware import Middleware

    class GuardedApplication(fastapi.FastAPI):
        def __init__(self, **settings: Any) -> None:
            super().__init__(middleware=[Middleware(HostGuard)], **settings)

    fastapi.FastAPI = GuardedApplication  # type: ignore[misc]  # MLflow offers no way to add to its application


def _listed(variable: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in os.environ.get(variable, "").split(",") if part.strip())


def _matches(given: str, patterns: tuple[str, ...]) -> bool:
    """A pattern without a port holds for every port."""
    return any(fnmatchcase(given, pattern) or fnmatchcase(_host_name(given), pattern) for pattern in patterns)


def _host_name(netloc: str) -> str:
    """Of `name:port`, `[::1]:port` or either without a port; empty when it is none."""
    try:
        return urlsplit(f"//{netloc}").hostname or ""
    except ValueError:
        return ""


def _is_own(name: str) -> bool:
    if name == "localhost":
        return True
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
