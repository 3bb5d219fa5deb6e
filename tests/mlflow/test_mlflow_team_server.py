"""The server for a team, as `mlflow/README.md` describes it."""

from __future__ import annotations

import importlib.util
import os
import re
import secrets
import shlex
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from mlflow import MlflowClient
from postgres_server import free_port, postgres_server
from programs import PRETEND_SEARCH, REPOSITORY

FOLDER = REPOSITORY / "mlflow"
PASSWORD = secrets.token_hex(16)
TRIALS = 3


def example_settings() -> dict[str, str]:
    lines = (FOLDER / "server.env.example").read_text("utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def status_of(url: str, host: str | None = None) -> int:
    request = urllib.request.Request(url, headers={"Host": host} if host else {})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_the_settings_are_hardened_and_hold_no_secret() -> None:
    """The example turns pickles and telemetry off, names its hosts, and sets no password or key."""
    settings = example_settings()
    assert settings["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] == "false"
    assert settings["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert "*" not in settings["MLFLOW_SERVER_ALLOWED_HOSTS"]
    secret = ("POSTGRES_PASSWORD", "MLFLOW_AUTH_ADMIN_PASSWORD", "MLFLOW_FLASK_SERVER_SECRET_KEY")
    assert [settings[name] for name in secret] == ["", "", ""]


def test_the_containers_use_the_settings() -> None:
    """`compose.yaml` asks for no variable that the example lacks, runs the page's command, and listens on loopback."""
    text = (FOLDER / "compose.yaml").read_text("utf-8")
    services = yaml.safe_load(text)["services"]
    assert set(re.findall(r"\$\{(\w+)", text)) <= set(example_settings())
    assert services["mlflow"]["command"].split()[4:] == server_command()[4:]
    assert all(port.startswith("127.0.0.1:") for port in services["mlflow"]["ports"])
    assert "ports" not in services["postgres"]


def server_command() -> list[str]:
    """Returns the command that the page gives."""
    (line,) = re.findall(r"^ +(mlflow server .*)$", (FOLDER / "README.md").read_text("utf-8"), re.MULTILINE)
    return shlex.split(line)


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """The address, up to the database's name, of a PostgreSQL server with the databases mlflow and studies."""
    with postgres_server(PASSWORD, ["mlflow", "studies"]) as server:
        yield server.address("").rstrip("/")


WITH_USERS = pytest.param(
    True,
    marks=pytest.mark.skipif(
        importlib.util.find_spec("flask_wtf") is None, reason="MLflow's authentication needs pip install mlflow[auth]"
    ),
    id="with users",
)


@pytest.fixture(params=[pytest.param(False, id="without users"), WITH_USERS])
def server(
    request: pytest.FixtureRequest, postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[str, bool]]:
    """The page's command with the example's settings filled in: the server's address, and whether it knows users."""
    port, users = free_port(), bool(request.param)
    command = [word.replace("5000", str(port)) for word in server_command()]
    if not users:
        del command[command.index("--app-name") : command.index("--app-name") + 2]
    settings = {
        **example_settings(),
        "MLFLOW_BACKEND_STORE_URI": f"{postgres}/mlflow",
        "MLFLOW_ARTIFACTS_DESTINATION": str(tmp_path / "artifacts"),
        "MLFLOW_SERVER_ALLOWED_HOSTS": f"127.0.0.1:{port}",
        "MLFLOW_AUTH_ADMIN_PASSWORD": PASSWORD,
        "MLFLOW_AUTH_CONFIG_PATH": str(FOLDER / "basic_auth.ini"),
        "MLFLOW_FLASK_SERVER_SECRET_KEY": secrets.token_hex(16),
    }
    folder = tmp_path / "server"
    folder.mkdir()
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", *command], env={**os.environ, **settings}, cwd=folder, stdout=log, stderr=log
        )
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", settings["MLFLOW_AUTH_ADMIN_USERNAME"])
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", PASSWORD)
    monkeypatch.setenv("APERTUNE_STORAGE", f"{postgres}/studies")
    try:
        wait_until_healthy(f"http://127.0.0.1:{port}", process, folder / "log")
        yield f"http://127.0.0.1:{port}", users
    finally:
        process.terminate()
        process.wait(30)


def wait_until_healthy(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(600):
        assert process.poll() is None, log.read_text()
        try:
            if status_of(f"{address}/health") == 200:
                return
        except OSError:
            pass
        time.sleep(0.2)
    raise AssertionError(log.read_text())


@pytest.mark.slow
def test_a_search_through_the_server(server: tuple[str, bool]) -> None:
    """A search through the server stores its runs, metrics and pages there, and its study in PostgreSQL; foreign
    hosts are refused, and so are unknown users where there are users."""
    address, users = server
    experiments = f"{address}/api/2.0/mlflow/experiments/search?max_results=1"
    assert status_of(experiments) == (401 if users else 200)
    assert status_of(experiments, host="10.evil.example") == 403
    done = subprocess.run(
        [*PRETEND_SEARCH, str(TRIALS), "2", "3"], capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "unsent 0" in done.stdout
    assert PASSWORD not in done.stdout + done.stderr
    client = MlflowClient(address)
    experiment = client.get_experiment_by_name("pretended")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], "tags.kind = 'trial'")
    assert len(runs) == len({run.data.tags["trial"] for run in runs})
    assert {run.info.status for run in runs} == {"FINISHED"}
    for run in runs:
        assert len(client.get_metric_history(run.info.run_id, "val_accuracy")) == 3
    (latest,) = client.search_runs([experiment.experiment_id], "tags.kind = 'search'", max_results=1)
    assert [file.path for file in client.list_artifacts(latest.info.run_id)] == ["report.html", "study_plots.html"]
    assert not Path("mlflow/studies.db").exists()
    assert not Path("mlflow/mlflow.db").exists()
