"""MLflow's server for `apertune ui`, which refuses foreign Hosts and Origins on every route.

MLflow itself lets a foreign Origin read, and answers any Host that asks for its health. MLflow finds this module
through the entry point `apertune` of the group `mlflow.app`.
"""

from __future__ import annotations

from typing import Any

from .host_guard import HostGuard


def create_app() -> Any:
    """Puts the guard before MLflow's own ASGI application; uvicorn calls this in the server's process."""
    from mlflow.server.fastapi_app import app

    app.add_middleware(HostGuard)
    return app
