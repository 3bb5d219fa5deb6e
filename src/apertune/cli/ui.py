"""`apertune ui`: MLflow's own web interface on the store that searches write to."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence

import click

from ..errors import ApertuneError, SettingError
from .output import print_line


@click.command()
@click.option("--port", type=click.IntRange(1, 65535), default=5000, show_default=True, help="Serve on this port.")
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Serve at this address: loopback only, since the UI has no authentication.",
)
def ui(port: int, host: str) -> None:
    """Open the MLflow UI on the same store, on loopback. Ctrl-C ends it."""
    from ..processes import child_environment, module_command
    from ..quiet import MLFLOW_ENVIRONMENT
    from ..search.settings import make_home
    from ..text import shown_uri

    if host not in ("127.0.0.1", "localhost"):
        raise SettingError(
            f"--host must be 127.0.0.1 or localhost, but got {host}: the UI has no authentication; "
            "mlflow/README.md shows how to run a server for a team"
        )
    home = make_home(os.environ)
    if not home.tracking_uri.startswith("sqlite:"):
        print_line(f"Results are on the tracking server {shown_uri(home.tracking_uri)}; open that in a browser.")
        return
    if not home.root.joinpath("mlflow.db").exists():
        raise SettingError(f"there are no results in {home.root} yet; start with: apertune search digits")
    print_line(f"MLflow UI: http://{host}:{port} (Ctrl-C ends it)")
    print_line("A data set is an experiment; its Views, above the table of runs, have each study's trials, best first.")
    command = module_command("mlflow", "server", "--host", host, "--port", str(port), "--workers", "1")
    command += ["--allowed-hosts", f"127.0.0.1:{port},localhost:{port}", "--app-name", "apertune"]
    command += ["--artifacts-destination", str(home.root / "artifacts")]
    # The store's URI goes through the environment, where no process list shows it.
    variables = {"MLFLOW_BACKEND_STORE_URI": home.tracking_uri, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    status = _run(command, child_environment({**MLFLOW_ENVIRONMENT, **variables}))
    if status not in (0, -signal.SIGINT, -signal.SIGTERM, 130, 143):
        raise ApertuneError(f"MLflow's server ended with status {status}; is port {port} taken? Choose another: --port")


def _run(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Runs the server until it ends; a signal that ends this process ends the server, too."""
    with subprocess.Popen(command, env=environment) as server:
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: server.terminate())
        try:
            return server.wait()
        except KeyboardInterrupt:
            # The terminal has sent it to the server, too.
            return server.wait()
