"""Keeps foreign web pages away from a server on this machine by checking the Host and Origin of each request.

`mlflow models serve` checks neither, so a page of `10.evil.example`, a name that its owner resolves to
127.0.0.1, could read a model's answers (DNS rebinding). Numeric addresses pass, because they cannot be rebound, and so
does `localhost`. Any other name of the server has to be listed in MLflow's own variables MLFLOW_SERVER_ALLOWED_HOSTS
and MLFLOW_SERVER_CORS_ALLOWED_ORIGINS; `*` there turns the check off.

Starlette's TrustedHostMiddleware is no substitute: it compares with a list of names, which cannot say "any numeric
address", takes neither ports nor the patterns that MLflow's variables hold, and does not look at the Origin.
"""

from __future__ import annotations

import os
import sys
from fnmatch import fnmatchcase
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from .request_limits import RequestLimits

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

HOSTS_VARIABLE = "MLFLOW_SERVER_ALLOWED_HOSTS"
ORIGINS_VARIABLE = "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS"
# The module that MLflow's scoring server is importing while it loads the model; no other process imports it.
_SCORING_SERVER = "mlflow.pyfunc.scoring_server.app"


class HostGuard:
    """ASGI middleware that passes on requests to its own hosts from its own origins, and answers others with 403."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.hosts = _listed(HOSTS_VARIABLE)
        self.origins = _listed(ORIGINS_VARIABLE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        from starlette.datastructures import Headers
        from starlette.responses import PlainTextResponse

        app = self.app
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            reason = self.refusal(headers.get("host", ""), headers.get("origin"))
            if reason is not None:
                app = PlainTextResponse(reason, 403)
        await app(scope, receive, send)

    def refusal(self, host: str, origin: str | None) -> str | None:
        """Returns the reason to refuse a request with these headers, or None; an origin of None means no header."""
        if not _is_own(_host_name(host)) and not _matches(host, self.hosts):
            return f"Host '{host[:100]}' is not this server's; list it in {HOSTS_VARIABLE}"
        if origin is None or _matches(origin, self.origins) or origin.partition("://")[2] == host:
            return None
        return f"Origin '{origin[:100]}' is not this server's; list it in {ORIGINS_VARIABLE}"


def guard_scoring_server() -> None:
    """Puts guard and bounds before the application that MLflow's scoring server makes next, as it loads the model."""
    if _SCORING_SERVER not in sys.modules:
        return
    import fastapi
    from starlette.middleware import Middleware

    class GuardedApplication(fastapi.FastAPI):
        def __init__(self, **settings: Any) -> None:
            super().__init__(middleware=[Middleware(HostGuard), Middleware(RequestLimits)], **settings)

    fastapi.FastAPI = GuardedApplication  # type: ignore[misc]  # MLflow offers no way to add to its application


def _listed(variable: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in os.environ.get(variable, "").split(",") if part.strip())


def _matches(given: str, patterns: tuple[str, ...]) -> bool:
    """Returns whether a pattern fits; a pattern without a port fits every port."""
    return any(fnmatchcase(given, pattern) or fnmatchcase(_host_name(given), pattern) for pattern in patterns)


def _host_name(netloc: str) -> str:
    """Returns the host of `name:port` or `[::1]:port`, with or without the port; empty when there is none."""
    try:
        return urlsplit(f"//{netloc}").hostname or ""
    except ValueError:
        return ""


def _is_own(name: str) -> bool:
    """Returns whether a name is `localhost` or a numeric address."""
    if name == "localhost":
        return True
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
