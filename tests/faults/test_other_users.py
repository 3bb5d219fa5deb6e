"""Other users of the machine, who may offer a model or look at results."""

from __future__ import annotations

import os
import pickle
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import mlflow
import pytest
from click.testing import CliRunner
from PIL import Image

from apertune.cli.export import export
from apertune.cli.predict import predict
from apertune.errors import ModelError
from apertune.search.models.package import write_manifest
from apertune.search.settings import Home
from apertune.search.tracking.model_addresses import registered_name

NOBODY = 65534


class Gadget:
    """Unpickled, it creates a file."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return Path.touch, (self.trace,)


PYFUNC = """
flavors:
  python_function:
    loader_module: {loader}
    python_model: python_model.pkl
    model_path: data/model.pkl
    data: data
    cloudpickle_version: 3.0.0
    env: requirements.txt
"""


@pytest.mark.parametrize("loader", ["mlflow.pyfunc.model", "mlflow.sklearn", "mlflow.pytorch"])
@pytest.mark.parametrize("disguised", [False, True])
@pytest.mark.parametrize("command", ["predict", "export"])
def test_a_pickle_in_the_registry_is_not_run(
    home: Home, shades_model: Path, tmp_path: Path, loader: str, disguised: bool, command: str
) -> None:
    """A champion that somebody registered with a pickle is refused with status 2, as a pickle or under a good model."""
    trace, offered = tmp_path / "trace", tmp_path / "offered"
    shutil.copytree(shades_model, offered)
    for name in ("python_model.pkl", "data/model.pkl"):
        (offered / name).write_bytes(pickle.dumps(Gadget(trace)))
    if not disguised:
        (offered / "MLmodel").write_text(PYFUNC.format(loader=loader))
    write_manifest(offered)
    client = mlflow.MlflowClient(home.tracking_uri, registry_uri=home.tracking_uri)
    model = registered_name("toys")
    client.create_registered_model(model)
    version = client.create_model_version(model, offered.as_uri())
    client.set_registered_model_alias(model, "champion", version.version)
    Image.new("L", (16, 16)).save(tmp_path / "a.png")
    words = [str(tmp_path / "a.png")] if command == "predict" else ["--to", str(tmp_path / "out")]
    done = CliRunner().invoke(predict if command == "predict" else export, ["toys@champion", *words])
    assert isinstance(done.exception, ModelError), done.output
    assert "can run code when it is loaded" in str(done.exception)
    assert done.exception.exit_status == 2
    assert not trace.exists()
    assert not (tmp_path / "out").exists()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may enter, as pytest's own are not."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.ci
def test_results_are_for_their_owner_alone(open_folder: Path) -> None:
    """After a search no file under `mlflow/` gives a right to anybody else, nor can one be read."""
    environment = {**os.environ, "APERTUNE_CACHE": str(open_folder / "cache")}
    flags = ["--workers", "1", "--epochs", "1"]
    for words in (["search", "digits", "--trials", "2", *flags], ["compare", "digits"], ["studies"]):
        command = [sys.executable, "-m", "apertune", *words]
        done = subprocess.run(
            command, cwd=open_folder, env=environment, umask=0o022, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    root = open_folder / "mlflow"
    every = [root, *root.rglob("*")]
    assert {path.name for path in every} >= {"mlflow.db", "studies.db", "outbox.jsonl", "artifacts", "logs"}
    assert [path for path in every if stat.S_IMODE(path.lstat().st_mode) & 0o077] == []
    if os.geteuid() == 0:
        for folder, status in ((open_folder, 0), (root, 2)):
            listed = subprocess.run(["ls", str(folder)], user=NOBODY, cwd="/", capture_output=True, check=False)
            assert listed.returncode == status, listed.stderr
