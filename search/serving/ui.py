"""MLflow's server for `apertune ui`, which refuses foreign Hosts and Origins on every route.

On its own, MLflow lets a foreign Origin read, and lets any Host ask for the server's health. MLflow finds this module
by the name `apertune` among the entry points `mlflow.app`.
"""

from __future__ import annotations

from typing import Any

from .host_guard import HostGuard


def create_app() -> Any:
    """Returns MLflow's own ASGI application behind the guard; uvicorn calls this in the server's process."""
    from mlflow.server.fastapi_app import app

    app.add_middleware(HostGuard)
    return app
