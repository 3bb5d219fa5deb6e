"""Row 24 of the faults: `apertune ui` under requests from a foreign web page or with a tampered path."""

from __future__ import annotations

import functools
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner
from mlflow import MlflowClient

import apertune.cli.ui as ui_module
from apertune.cli.ui import ui
from apertune.errors import ApertuneError, SettingError, StudyError
from apertune.search.evaluation.direction import Direction
from apertune.search.settings import Home
from apertune.search.studies.definition import StudyDefinition
from apertune.search.studies.opening import create_study
from apertune.search.studies.storage.storage import open_storage
from apertune.search.tracking.mlflow_tracker import MlflowTracker
from apertune.search.tracking.records import FilesLogged, RunStarted
from apertune.text import named_line

SECRET = "a file outside the artifacts"
DEFINITION = StudyDefinition(
    dataset="pets", data="", task="binary", fingerprint="ab" * 32, space="convnet", search_space="[]",
    objective="accuracy", direction=Direction.MAXIMIZE, epochs=2,
)  # fmt: skip


def status(url: str, method: str = "GET", **headers: str) -> int:
    """Returns the HTTP status of the answer; the path is sent as it is written."""
    body = b"{}" if method in ("POST", "PUT", "PATCH") else None
    request = urllib.request.Request(url, body, {"Content-Type": "application/json", **headers}, method=method)
    try:
        answer = urllib.request.urlopen(request, timeout=20)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        assert SECRET.encode() not in answer.read()
        return int(answer.status or 0)


def free_port() -> int:
    """Returns a port of loopback that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Iterator[tuple[str, str]]:
    """The address of `apertune ui` on a store with one run that has a file, and the run."""
    folder = tmp_path_factory.mktemp("served")
    root = folder / "mlflow"
    (folder / "files").mkdir()
    (folder / "files" / "scores.csv").write_text("metric,value\n")
    root.mkdir()
    (root / "secret.txt").write_text(SECRET)
    shutil.copy(empty_store, root / "mlflow.db")
    tracker = MlflowTracker(f"sqlite:///{root / 'mlflow.db'}", root / "artifacts")
    tracker.apply(RunStarted("key", "pets", "pets #0", 1))
    tracker.apply(FilesLogged("key", str(folder / "files")))
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    command = [sys.executable, "-m", "apertune", "ui", "--port", str(port)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
    try:
        for _ in range(450):
            assert process.poll() is None, (folder / "log").read_text()
            try:
                assert status(f"http://127.0.0.1:{port}/health") == 200
                break
            except OSError:
                time.sleep(0.2)
        yield f"http://127.0.0.1:{port}", tracker.run_ids()["key"]
    finally:
        below = psutil.Process(process.pid).children(recursive=True)
        process.terminate()
        assert process.wait(30) == 0
        assert psutil.wait_procs(below, 10)[1] == [], "the server outlived its command"


def routes() -> list[tuple[str, str]]:
    """Every method and path that MLflow's server knows."""
    from mlflow.server import app
    from mlflow.server.fastapi_app import app as outer

    flask = [(method, str(rule)) for rule in app.url_map.iter_rules() for method in rule.methods or ()]
    fast = [(method, route.path) for route in outer.routes for method in getattr(route, "methods", None) or ()]
    filled = {(method, re.sub(r"<[^>]+>|\{[^}]+\}", "x", path)) for method, path in [*flask, *fast]}
    return sorted(route for route in filled if route[0] not in ("HEAD", "OPTIONS"))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # MLflow's server, imported for its list of routes, is full of deprecations
def test_foreign_hosts_and_origins_are_refused_on_every_route(served: tuple[str, str]) -> None:
    """A Host that looks like an address, or the Origin of another page, gets 403 on every route."""
    address, _ = served
    every = routes()
    assert len(every) > 300
    assert status(f"{address}/api/2.0/mlflow/experiments/search?max_results=1") == 200
    assert status(f"{address}/api/2.0/mlflow/experiments/search?max_results=1", Origin=address) == 200
    for foreign in ({"Host": "10.evil.example"}, {"Origin": "http://evil.example"}, {"Origin": "null"}):
        answers = {(method, path): status(address + path, method, **foreign) for method, path in every}
        assert {route: answer for route, answer in answers.items() if answer != 403} == {}


@pytest.mark.slow
@pytest.mark.parametrize(
    "climb", ["../secret.txt", "..%2Fsecret.txt", "%2e%2e/%2e%2e/%2e%2e/secret.txt", "/etc/passwd"]
)
def test_no_path_leads_out_of_the_artifacts(served: tuple[str, str], climb: str) -> None:
    """A path that climbs out of a run's artifacts is refused, whatever route it takes, and shows nothing."""
    address, run = served
    assert status(f"{address}/get-artifact?run_uuid={run}&path=scores.csv") == 200
    for path in (
        f"/get-artifact?run_uuid={run}&path={climb}",
        f"/get-artifact?run_uuid={run}&path=x/../../../../{climb}",
        f"/api/2.0/mlflow/artifacts/list?run_id={run}&path={climb}",
        f"/ajax-api/2.0/mlflow/artifacts/list?run_id={run}&path={climb}",
        f"/api/2.0/mlflow-artifacts/artifacts/{climb}",
        f"/ajax-api/2.0/mlflow-artifacts/artifacts/{climb}",
        f"/api/2.0/mlflow-artifacts/artifacts?path={climb}",
    ):
        assert status(address + path) in (400, 403, 404), path
    assert status(f"{address}/api/2.0/mlflow-artifacts/artifacts/{climb}", "PUT") in (400, 403, 404)
    client = MlflowClient(address)
    assert [file.path for file in client.list_artifacts(run)] == ["scores.csv"]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.7", "example.org"])
def test_the_ui_listens_on_loopback_alone(host: str) -> None:
    """The UI has no users, so an address that others can reach is refused, and the error points to the team server."""
    done = CliRunner().invoke(ui, ["--host", host])
    assert isinstance(done.exception, SettingError)
    assert f"but got {host}" in str(done.exception)
    assert "mlflow/README.md" in str(done.exception)


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
def test_a_taken_port_is_refused_before_anything_is_said(home: Home, address: str) -> None:
    """Nobody is sent to another program that listens, at loopback or at all addresses: one line, status 2."""
    with socket.create_server((address, 0)) as stranger:
        port = stranger.getsockname()[1]
        done = CliRunner().invoke(ui, ["--port", str(port)])
    assert isinstance(done.exception, SettingError)
    assert done.exception.exit_status == 2
    line = f"port {port} is taken by another program; choose another, such as --port {port + 1}"
    assert str(done.exception) == line
    assert done.output == ""


def test_a_port_that_is_bound_and_not_listened_at_is_taken(home: Home) -> None:
    """A program that has bound a port need not answer yet."""
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", 0))
        done = CliRunner().invoke(ui, ["--port", str(stranger.getsockname()[1])])
    assert "is taken by another program" in str(done.exception)


def test_a_server_that_ends_by_itself_is_a_failure(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """MLflow's server ends with status 0 though it could not listen; that is status 1, and no address is printed."""
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    with pytest.raises(ApertuneError, match="ended by itself with status 0") as error:
        ui_module._serve([sys.executable, "-c", "pass"], os.environ, free_port(), lambda: print("it listens"))
    assert error.value.exit_status == 1
    assert capsys.readouterr().out == ""


def test_an_address_is_printed_when_the_server_itself_listens(home: Home) -> None:
    """A socket counts only if the server holds it; the port of another process does not."""
    with socket.create_server(("127.0.0.1", 0)) as own:
        port = own.getsockname()[1]
        assert ui_module._listens(os.getpid(), port)
        with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
            assert not ui_module._listens(other.pid, port)
            other.communicate(b"end")


def test_ctrl_c_ends_the_ui_quietly(home: Home) -> None:
    """Ctrl-C in the terminal ends command and server with status 0, without a traceback, and frees the port."""
    port = free_port()
    command = [sys.executable, "-m", "apertune", "ui", "--port", str(port)]
    with (
        Path("errors").open("wb") as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, start_new_session=True) as process,
    ):
        assert process.stdout is not None
        # Ends at the latest when the command does, which then fails below.
        printed = next((line for line in process.stdout if line.startswith("MLflow UI: ")), "")
        below = psutil.Process(process.pid).children(recursive=True)
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(60) == 0
    assert printed == f"MLflow UI: http://127.0.0.1:{port} (Ctrl-C ends it)\n"
    assert below
    assert psutil.wait_procs(below, 30)[1] == []
    said = Path("errors").read_text()
    assert "Traceback" not in said
    assert "KeyboardInterrupt" not in said
    assert "INFO" not in said
    assert "Warning" not in said


def test_the_latest_studys_table_is_shown(home: Home) -> None:
    """The address of a study's trials, best first, is printed: of the one that is named, or of the one with the latest
    trial; results without a study, or of an unknown one, have none."""
    shown = functools.partial(ui_module._page, home, host="127.0.0.1", port=5001)
    assert shown(study=None) is None
    keys = {}
    for name in ("first", "second"):
        study = create_study(open_storage(home.storage), name, DEFINITION)
        study.ask()
        keys[name] = f"apertune-{study.identity}"
    begin = "http://127.0.0.1:5001/#/experiments/"
    assert shown(study=None) is None, "MLflow has no experiment yet"
    MlflowTracker(home.tracking_uri, home.artifacts).apply(RunStarted("key", "pets", "pets #0", 1))
    name, address = shown(study=None) or ("", "")
    assert name == "second"
    assert address.startswith(begin)
    assert address.endswith(f"/runs?workflowType=machine_learning&viewStateShareKey={keys['second']}")
    assert (shown(study="first") or ("", ""))[1].endswith(keys["first"])
    with pytest.raises(StudyError, match="no study is called 'third'"):
        shown(study="third")


def test_a_servers_address_is_shown_without_its_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """With results on a server, the UI shows its address without user, password or query."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:s3cret@mlflow.example.org/team?token=t0ken")
    done = CliRunner().invoke(ui, [])
    assert "https://mlflow.example.org/team;" in done.output
    assert not any(secret in done.output for secret in ("me:", "s3cret", "t0ken"))


@pytest.mark.parametrize("padding", [0, 180, 230, 280])
def test_no_cut_shows_a_password(padding: int) -> None:
    """Passwords in an error are starred before a long error is cut."""
    error = ConnectionError(f"{'x' * padding} cannot reach postgresql://me:{'s3cret' * 10}@host:5432/db")
    assert "s3cret" not in named_line(error)
    assert len(named_line(error)) <= 300
