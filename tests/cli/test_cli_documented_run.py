"""The commands of README and docs are run, in the order of their pages, on a tiny data set with tiny trainings.

One study of two trials is made first, and one model promoted, by the command itself in this process; then each command
that can run here runs there. Names of the pages' own studies and trials are replaced by those of this one. What cannot
run is listed with the reason; such commands are read by `test_cli_documented` all the same.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from documented import PAGES, blocks, documented
from PIL import Image

from apertune import datasets
from apertune.cli import cli
from apertune.datasets import DataSpec
from apertune.search.engine import launch, rerunning
from apertune.search.evaluation.saved import load_evaluation
from apertune.search.executors.in_process import InProcessExecutor
from apertune.search.messages import EpochEnded, RunTrial, TrialEvent, TrialResult, TrialStarted, TrialTask
from apertune.search.promotion import promoting
from apertune.search.settings import Home
from apertune.search.tracking.mlflow_tracker import MlflowTracker
from apertune.search.tracking.outbox import Progress, unsent, write_progress
from apertune.search.tracking.records import StudyChanged
from apertune.search.training.trial import run_trial
from apertune.search.trial_folder import TrialFolder
from apertune.spaces import discover, load, narrow
from apertune.spaces.search_space.parameters import SearchSpace

pytestmark = pytest.mark.ci

ELLIPSES = {"…", "..."}

CLASSES = ("bird", "cat", "dog")
IMAGES_PER_CLASS = 20
TINY = {
    "blocks": "1", "convolutions": "1", "filters": "16", "batch_size": "8", "augmentation": "none", "mixing": "none",
    "optimizer": "adam", "schedule": "constant", "loss": "cross_entropy", "head": "flatten",
}  # fmt: skip
# The first that fits counts; the words after it say where such commands are run, if they are.
CANNOT_RUN = (
    (r"--cluster\b", "needs a cluster: tests/search/executors/ray"),
    (r"^(search|rerun)\b.* (fer2013|simpsons|voc2012|coco|yolo|cifar10|cifar100|mnist)\b", "needs that data set"),
    (r"s3://|https://", "needs a network: tests/datasets/files"),
    (r"^ui\b", "serves until it is stopped: tests/browser"),
    (r"film\.mp4", "needs a film: tests/search/prediction"),
    (r"models:(build|Tuned)", "needs a model of the reader's own: tests/spaces/foreign, tests/search/training"),
    (r"--data mine\.npz|\bnpz\b", "is of the guide to adapters: tests/support/guide.py"),
    (r"^stop\b", "needs a search that runs: tests/faults"),
    (r"--formats \S*litert|--to exported$", "converts for long: tests/search/export"),
    (r"^promote folders \S+ \S+ \S+ \S+$", "is run before all others"),
    (r"^rerun RUN_ID folders", "trains for long, as the one that names the data set, which is run"),
    (r"--labels", "trains on parts of the data for long: tests/datasets/audit"),
    (r"--group 2", "needs folders two deep: tests/datasets/splits"),
    (r"--threshold", "needs data of two classes: tests/search/promotion"),
)
# In sentences, these words name a command and do not call it.
NAMED_ALONE = {
    "predict", "export", "search", "promote", "rerun", "stop", "compare", "datasets describe", "label", "--version",
    "search …", "promote …", "search '…'", "promote '…'",
}  # fmt: skip
# Studies, trials and names of the pages, and what stands for them here.
IN_PLACE_OF = (
    (r"fer2013-convnet:3,fer2013-reference:0", "photographs-convnet:0,photographs-convnet:1"),
    (r"(?<=^compare )fer2013\b", "photographs"),
    (r"--trials 3,7(,12)?", "--trials 0,1"),
    (r"\b(digits-convnet|STUDY)\b", "photographs-convnet"),
    (r"(?<=^compare )digits\b|\bDATASET\b", "photographs"),
    (r"(?<=^datasets audit )NAME\b", "digits"),
)
# Many trials, or a space with large networks, would pretend for long.
FEWER = ("--trials", "2", "--epochs", "1")
# Takes the model that the search left.
NO_TRAINING = ("--seeds", "1", "--force")


class Sender:
    """Sends the outbox when the search is done, in this process."""

    def __init__(self, outbox: Path, home: Home, say: Callable[[str], None], **options: bool) -> None:
        self._outbox, self._home = outbox, home

    def __enter__(self) -> Sender:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def finish(self, patience_s: float) -> int:
        tracker = MlflowTracker(self._home.tracking_uri, self._home.artifacts)
        for record, _ in unsent(self._outbox, 0):
            if record is not None and not isinstance(record, StudyChanged):
                tracker.apply(record)
        write_progress(self._outbox, Progress(self._outbox.stat().st_size, tracker.run_ids()))
        return 0


def pretend(task: TrialTask, emit: Callable[[TrialEvent], None], stop_requested: Callable[[], Any]) -> TrialResult:
    """Pretends to train one epoch."""
    emit(TrialStarted(task.number, 1, 1))
    name = f"val_{task.objective}"
    emit(EpochEnded(task.number, 1, {name: 0.5}, 0.0, 1))
    costs = {"latency_ms": 1.0 + task.number}
    return TrialResult(
        task.number, "complete", value=0.5, metrics={task.objective: 0.5}, epochs=1, best_epoch=1, cost=costs
    )


def train(task: TrialTask, emit: Callable[[TrialEvent], None], stop_requested: Callable[[], Any]) -> TrialResult:
    """Trains, and leaves what a worker process would draw beside its plots."""
    result = run_trial(task, emit, stop_requested)
    artifacts = TrialFolder(task.folder).artifacts
    answers = load_evaluation(artifacts).probabilities
    np.savez(artifacts / "predictions.npz", labels=task.view.labels("validation"), probabilities=answers)
    return result


def tiny_space() -> SearchSpace:
    spec = DataSpec((16, 16, 3), "multiclass", CLASSES, (14,) * 3, 42)
    return narrow(discover(load("convnet", spec)), TINY)


@dataclass(frozen=True)
class Place:
    """The folder of a reader who has made one search and one promotion."""

    folder: Path
    space: SearchSpace
    run_id: str


def training_in_this_process(patch: pytest.MonkeyPatch, trial: RunTrial, space: SearchSpace) -> None:
    """Lets the command train and send without processes of its own."""
    for module in (launch, promoting, rerunning):
        patch.setattr(module, "make_executor", lambda *given, **named: InProcessExecutor(trial, space))
    patch.setattr(launch, "SenderProcess", Sender)


def run(words: list[str]) -> Result:
    return CliRunner().invoke(cli, words, catch_exceptions=False)


def write_layouts(folder: Path) -> None:
    """Writes the pages' data: classes in file names and deeper folders, a table per part, CelebA's, and arrays."""
    random = np.random.default_rng(1)

    def save(path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (16, 16, 3), np.uint8)).save(path)

    rows: dict[str, list[str]] = {"train": ["file,label"], "test": ["file,label"]}
    for number in range(IMAGES_PER_CLASS):
        part = "test" if number % 4 == 0 else "train"
        for name in ("cat", "dog"):
            save(folder / "train" / f"{name}.{number}.png")
            save(folder / "slides" / f"patient{number // 2}" / name / f"{number}.png")
            save(folder / "folder" / f"{name}{number}.png")
            rows[part].append(f"{name}{number}.png,{name}")
    for part, lines in rows.items():
        (folder / "folder" / f"{part}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    attributes = [f"{2 * IMAGES_PER_CLASS}", "Bald Smiling"]
    for number in range(2 * IMAGES_PER_CLASS):
        save(folder / "celeba" / "img_align_celeba" / f"{number:06}.png")
        attributes.append(f"{number:06}.png {1 if number % 2 else -1} {1 if number % 3 else -1}")
    (folder / "celeba" / "list_attr_celeba.txt").write_text("\n".join(attributes) + "\n", encoding="utf-8")
    held = random.integers(0, 256, (2 * IMAGES_PER_CLASS, 8, 8, 3), np.uint8)
    np.savez(folder / "pathmnist.npz", train_images=held, train_labels=np.arange(len(held)) % 2)


def write_pictures(folder: Path) -> None:
    """Writes the folder of pictures, the table and the single picture of the pages."""
    write_layouts(folder)
    random, rows = np.random.default_rng(0), ["file,label,patient"]
    for place, name in enumerate(CLASSES):
        (folder / "photographs" / name).mkdir(parents=True)
        for number in range(IMAGES_PER_CLASS):
            pixels = random.integers(0, 60, (16, 16, 3), np.uint8)
            pixels[..., place] += 150
            path = Path("photographs", name, f"P{number // 2:02d}_{number}.png")
            Image.fromarray(pixels).save(folder / path)
            rows.append(f"{path},{name},{number // 2}")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    Image.fromarray(pixels).save(folder / "picture.jpg")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("reader")
    write_pictures(folder)
    (folder / "mlflow").mkdir()
    (folder / "mlflow" / "mlflow.db").write_bytes(empty_store.read_bytes())
    space = tiny_space()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("APERTUNE_CACHE", str(folder / "cache"))
        training_in_this_process(patch, train, space)
        data = ("folders", "--data", "photographs/", "--name", "photographs")
        searched = run(["search", *data, *FEWER, "--json"])
        assert searched.exit_code == 0, searched.output
        run_id = json.loads(searched.stdout)["trials"][0]["run_id"]
        promoted = run(["promote", *data, *NO_TRAINING])
        assert promoted.exit_code == 0, promoted.output
        yield Place(folder, space, run_id)


def reason_against(command: str) -> str:
    """Returns why a command is not run here, or an empty text."""
    if command in NAMED_ALONE or command.startswith("--"):
        return "names a command"
    return next((reason for pattern, reason in CANNOT_RUN if re.search(pattern, command)), "")


def as_here(command: str) -> str:
    """Returns a command with the names of this study in place of those of the pages."""
    for pattern, words in IN_PLACE_OF:
        command = re.sub(pattern, words, command)
    return command


def commands() -> list[tuple[str, str]]:
    """Returns the page and the words of each command that is run, once."""
    once: dict[str, str] = {}
    for page, command in documented():
        if (page == "README.md" or page.startswith("docs/")) and not reason_against(command):
            once.setdefault(as_here(command), page)
    return [(page, command) for command, page in once.items()]


@pytest.mark.parametrize(("page", "command"), commands())
def test_a_documented_command_runs(page: str, command: str, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends with status 0, and leaves the files that it names."""
    monkeypatch.chdir(place.folder)
    monkeypatch.setenv("APERTUNE_CACHE", str(place.folder / "cache"))
    name = command.partition(" ")[0]
    training_in_this_process(monkeypatch, pretend if name == "search" else train, place.space)
    words = [word for word in shlex.split(command.replace("RUN_ID", place.run_id)) if word not in ELLIPSES]
    if "--help" not in words:
        words += {"search": FEWER, "promote": NO_TRAINING}.get(name, ())
    done = run(words)
    assert done.exit_code == 0, done.output
    if "--to" in words:
        assert Path(words[words.index("--to") + 1]).exists()


def settings_files() -> list[tuple[str, str, str]]:
    """Returns page, command and text of each settings file whose first line says which command takes it."""
    return [
        (page, found[1], text)
        for page in PAGES
        for text in blocks(page, "toml")
        if (found := re.match(r"# apertune (search .+)\n", text))
    ]


@pytest.mark.parametrize(("page", "command", "text"), settings_files())
def test_a_documented_settings_file_is_searched_with(
    page: str, command: str, text: str, tmp_path: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command that its first line names ends with status 0, and its study has the file's objectives and ranges."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mlflow").mkdir()
    (tmp_path / "mlflow" / "mlflow.db").write_bytes(empty_store.read_bytes())
    (tmp_path / "search.toml").write_text(text, encoding="utf-8")
    spec = datasets.load("digits").training_view().spec()
    training_in_this_process(monkeypatch, pretend, discover(load("convnet", spec)))
    done = run([*shlex.split(command), *FEWER, "--json"])
    assert done.exit_code == 0, done.output
    trials = json.loads(done.stdout)["trials"]
    assert len(trials) == 2
    assert all(trial["params"]["blocks"] in (2, 3) and trial["params"]["filters"] in (16, 32) for trial in trials)


def test_the_settings_files_are_found() -> None:
    """At least the one of docs/searching.md."""
    assert "docs/searching.md" in [page for page, _, _ in settings_files()]


def test_what_is_not_run_has_a_reason() -> None:
    """Most commands of the pages are run, and each reason is needed."""
    reasons = {reason_against(command) for _, command in documented()}
    assert {reason for _, reason in CANNOT_RUN} - reasons == set()
    assert len(commands()) >= 35
