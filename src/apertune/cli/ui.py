"""`apertune ui`: MLflow's own web interface on the store that searches write to."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import click

from ..errors import ApertuneError, SettingError
from ..files.private import OWNER_ALONE
from .output import print_line
from .storage_option import storage_option

if TYPE_CHECKING:
    from ..search.settings import Home

LOOK_EVERY_S = 0.2


@click.command()
@click.argument("study", required=False)
@click.option("--port", type=click.IntRange(1, 65535), default=5000, show_default=True, help="Serve on this port.")
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Serve at this address: loopback only, since the UI has no authentication.",
)
@click.option("--open", "in_browser", is_flag=True, help="Open the page in the browser.")
@storage_option
def ui(study: str | None, port: int, host: str, in_browser: bool, storage: str | None) -> None:
    """Open the MLflow UI on the same store, on loopback. Ctrl-C ends it.

    It prints the address of the table of STUDY's trials, best first, or of the latest study's. With results on a
    tracking server, it prints the address there.
    """
    from ..processes import child_environment, module_command
    from ..quiet import MLFLOW_ENVIRONMENT
    from ..search.settings import make_home
    from ..text import shown_uri

    if host not in ("127.0.0.1", "localhost"):
        raise SettingError(
            f"--host must be 127.0.0.1 or localhost, but got {host}: the UI has no authentication; "
            "mlflow/README.md shows how to run a server for a team"
        )
    home = make_home(os.environ, storage=storage)
    if not home.tracking_uri.startswith("sqlite:"):
        print_line(f"Results are on the tracking server {shown_uri(home.tracking_uri)}; open that in a browser.")
        if page := _page(home, study, host, port):
            _show_page(*page, in_browser=in_browser)
        return
    if not home.root.joinpath("mlflow.db").exists():
        raise SettingError(f"there are no results in {home.root} yet; start with: apertune search digits")
    _check_free(host, port)
    page = _page(home, study, host, port)
    command = module_command("mlflow", "server", "--host", host, "--port", str(port), "--workers", "1")
    command += ["--allowed-hosts", f"127.0.0.1:{port},localhost:{port}", "--app-name", "apertune"]
    command += ["--artifacts-destination", str(home.root / "artifacts")]
    # Its warnings and errors are shown; that it starts and stops is no news to the person who asked for it.
    command += ["--uvicorn-opts", "--log-level warning"]
    # The store's URI goes through the environment, where no process list shows it.
    variables = {"MLFLOW_BACKEND_STORE_URI": home.tracking_uri, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    # Its libraries deprecate what it uses, which a user can do nothing about.
    variables |= {"MLFLOW_LOGGING_LEVEL": "WARNING", "PYTHONWARNINGS": "ignore"}

    def show() -> None:
        print_line(f"MLflow UI: http://{host}:{port} (Ctrl-C ends it)")
        if page is not None:
            _show_page(*page, in_browser=in_browser)
        print_line("A data set is an experiment; its Views, above its runs, have each study's trials, best first.")

    _serve(command, child_environment({**MLFLOW_ENVIRONMENT, **variables}), port, show)


def _page(home: Home, study: str | None, host: str, port: int) -> tuple[str, str] | None:
    """Returns the name of the study, or of the latest one, and the address of its trials in MLflow's pages.

    Raises:
        StudyError: There is no study of the name that was given.
    """
    from ..search.results import read_studies
    from ..search.tracking.ui_links import study_page

    name = study
    if name is None:
        try:
            name = max(read_studies(home), key=lambda each: each.updated).name
        except (ApertuneError, ValueError):
            # Results that others made are shown without their studies.
            return None
    page = study_page(home, name, f"http://{host}:{port}")
    return None if page is None else (name, page)


def _show_page(study: str, page: str, *, in_browser: bool) -> None:
    print_line(f"Study {study}, best trials first: {page}")
    if in_browser:
        click.launch(page)


def _check_free(host: str, port: int) -> None:
    """Raises SettingError when the port is taken, or may not be used.

    MLflow's server would end with status 0 without having bound it, and the address be somebody else's.
    """
    for family, kind, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        with contextlib.suppress(OSError), socket.socket(family, kind, protocol) as caller:
            caller.settimeout(1)
            # macOS lets a second program bind this address while another listens at all addresses.
            caller.connect(address)
            raise SettingError(_taken(port))
        with socket.socket(family, kind, protocol) as probe:
            # As uvicorn does; without it, a server that just ended would hold its port for a minute.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(address)
            except OSError as error:
                if error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                    # A name of this machine that stands for an address which it lacks, such as ::1.
                    continue
                if error.errno == errno.EADDRINUSE:
                    raise SettingError(_taken(port)) from None
                raise SettingError(
                    f"port {port} cannot be used: {error.strerror}; choose another: --port 5001"
                ) from None


def _taken(port: int) -> str:
    other = port + 1 if port < 65535 else 5001
    return f"port {port} is taken by another program; choose another, such as --port {other}"


def _serve(command: Sequence[str], environment: Mapping[str, str], port: int, show: Callable[[], None]) -> None:
    """Runs the server until a signal ends it, and calls `show` once it listens at the port.

    Raises:
        ApertuneError: The server ended by itself.
    """
    # In a session of its own, so that Ctrl-C reaches this process alone, which ends the server quietly.
    with subprocess.Popen(command, env=environment, start_new_session=True, umask=OWNER_ALONE) as server:
        signals: list[int] = []

        def end(number: int, _: object) -> None:
            signals.append(number)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGTERM if len(signals) == 1 else signal.SIGKILL)

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, end)
        while server.poll() is None and not _listens(server.pid, port):
            time.sleep(LOOK_EVERY_S)
        if server.poll() is None and not signals:
            show()
        status = server.wait()
    if not signals:
        raise ApertuneError(f"MLflow's server ended by itself with status {status}; its lines above say why")


def _listens(process_id: int, port: int) -> bool:
    """Returns whether a process or one below it listens on a port; anybody could answer there."""
    import psutil

    with contextlib.suppress(psutil.Error):
        server = psutil.Process(process_id)
        for process in (server, *server.children(recursive=True)):
            for connection in process.net_connections("tcp"):
                if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port:
                    return True
    return False
