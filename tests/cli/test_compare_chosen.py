from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from apertune.cli.compare import compare
from apertune.errors import SettingError, StudyError
from apertune.search.evaluation.direction import Direction
from apertune.search.messages import TrialResult
from apertune.search.sending.sender import Sender
from apertune.search.settings import make_home
from apertune.search.studies.definition import StudyDefinition
from apertune.search.studies.opening import create_study
from apertune.search.studies.storage.storage import open_storage
from apertune.search.tracking.mlflow_tracker import MlflowTracker, is_refused
from apertune.search.tracking.outbox import Outbox
from apertune.search.tracking.records import FilesLogged, RunStarted
from apertune.spaces.search_space.parameters import Parameter, SearchSpace

SPACE = SearchSpace(
    (
        Parameter("batch", "int", 32, low=32, high=32, sampling="linear"),
        Parameter("rate", "float", 0.2, low=0.0, high=0.5, sampling="linear"),
    )
)


def definition(dataset):
    return StudyDefinition(
        dataset=dataset, data="made up", task="binary", fingerprint="ab" * 32, space="convnet",
        search_space=SPACE.to_json(), objective="accuracy", direction=Direction.MAXIMIZE, epochs=2,
    )  # fmt: skip


@pytest.fixture
def studied(empty_store):
    """A study of three complete trials in this folder; MLflow has the predictions of the first two."""
    home = make_home({})
    home.root.mkdir()
    shutil.copy(empty_store, home.root / "mlflow.db")
    study = create_study(open_storage(home.storage), "pets", definition("pets"))
    outbox_path = home.study_folder("pets") / "outbox.jsonl"
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, 200, dtype=np.int32)
    with Outbox(outbox_path) as outbox:
        for number, right in ((0, 0.6), (1, 0.95)):
            asked = study.ask()
            study.report(number, right, 1)
            study.tell(TrialResult(asked.number, "complete", value=right, metrics={"accuracy": right}, epochs=1))
            truth = np.where(random.random(200) < right, labels, 1 - labels)
            files = home.root / f"files{number}"
            files.mkdir()
            probabilities = (0.25 + 0.5 * truth[:, None]).astype(np.float32)
            np.savez_compressed(files / "predictions.npz", labels=labels, probabilities=probabilities)
            key = f"{study.identity}-{number}"
            outbox.put(RunStarted(key, "pets", f"pets #{number}", 1), FilesLogged(key, str(files)))
    study.tell(TrialResult(study.ask().number, "complete", value=0.5, epochs=1))
    assert Sender(outbox_path, MlflowTracker(home.tracking_uri, home.artifacts), is_refused).send()
    return home


def test_chosen_trials_are_tested_on_their_predictions(studied):
    """`compare --trials` fetches predictions from MLflow, tells a real difference, and names the trial without any."""
    done = CliRunner().invoke(compare, ["pets", "--trials", "0,1,2", "--to", "page.html", "--json"])
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    assert [trial["number"] for trial in document["trials"]] == [0, 1, 2]
    assert [(row["name"], row["differs"]) for row in document["parameters"]] == [("rate", True), ("batch", False)]
    (pair,) = document["pairs"]
    assert (pair["first"], pair["second"], pair["test"], pair["real"]) == (0, 1, "McNemar", True)
    assert pair["low"] > 0
    assert document["missing"] == [
        "trial 2 of pets: it has no MLflow run yet; send what is waiting with: apertune sync"
    ]
    assert "Not tested: trial 2" in done.stderr
    text = Path("page.html").read_text("utf-8")
    assert "McNemar" in text
    assert 'src="http' not in text
    assert text.index("<td>rate</td>") < text.index("<td>batch</td>")


def test_the_table_shows_the_pairs(studied):
    """Without --json the same is printed as tables, differing parameters first."""
    done = CliRunner().invoke(compare, ["pets", "--trials", "1,0"])
    assert done.exit_code == 0, done.output
    assert done.stdout.index("Parameters that differ") < done.stdout.index("Parameters that are the same")
    assert "McNemar" in done.stdout
    assert " real" in done.stdout


@pytest.mark.parametrize("words", ["3", "0,0", "first,second", "", ":0,1", "pets:0,0", "pets:,1"])
def test_trials_must_be_different(studied, words):
    """Fewer than two different trials are refused in one line that shows what is right."""
    done = CliRunner().invoke(compare, ["pets", "--trials", words])
    assert isinstance(done.exception, SettingError)
    assert f"--trials must be two or more different trials such as 3,7,12 or STUDY:3,OTHER:0, but got '{words}'" in str(
        done.exception
    )


def test_what_is_not_there_or_has_no_effect_is_refused(studied):
    """An unknown trial, trials of several studies, and --to without --trials are each refused with the way out."""
    runner = CliRunner()
    unknown = runner.invoke(compare, ["pets", "--trials", "0,9"])
    assert isinstance(unknown.exception, StudyError)
    assert str(unknown.exception) == "study 'pets' has no trial 9; it has 0 to 2"
    alone = runner.invoke(compare, ["pets", "--to", "page.html"])
    assert isinstance(alone.exception, SettingError)
    create_study(open_storage(studied.storage), "pets-2", definition("pets"))
    several = runner.invoke(compare, ["pets", "--trials", "0,1"])
    assert isinstance(several.exception, SettingError)
    assert "write STUDY:NUMBER; there are: pets, pets-2" in str(several.exception)
    absent = runner.invoke(compare, ["pets", "--trials", "pets:0,cats:1"])
    assert str(absent.exception) == "no study of this data set is called 'cats'; there are: pets, pets-2"


def test_trials_of_several_studies_are_compared(studied):
    """STUDY:N names trials of different studies of the same data, whose answers this folder keeps."""
    other = create_study(open_storage(studied.storage), "other", definition("pets"))
    labels, _ = read_answers_of(studied)
    other.tell(TrialResult(other.ask().number, "complete", value=0.5, metrics={"accuracy": 0.5}, epochs=1))
    kept = studied.answers_folder("other")
    kept.mkdir(parents=True)
    np.savez_compressed(kept / "00000.npz", labels=labels, probabilities=np.full((200, 1), 0.9, np.float32))
    done = CliRunner().invoke(compare, ["pets", "--trials", "pets:1,other:0", "--json"])
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    assert document["studies"] == ["pets", "other"]
    (pair,) = document["pairs"]
    assert (pair["first_study"], pair["first"], pair["second_study"], pair["second"]) == ("pets", 1, "other", 0)
    assert pair["real"]
    shown = CliRunner().invoke(compare, ["pets", "--trials", "pets:1,other:0"]).stdout
    assert "pets:1" in shown


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"fingerprint": "cd" * 32}, "are of other data or splits"),
        ({"objective": "f1"}, "has the objective accuracy, but 'other' has f1"),
    ],
)
def test_trials_of_other_data_or_objectives_are_not_compared(studied, changes, line):
    """Studies with other images or another objective are refused in one line."""
    other = create_study(open_storage(studied.storage), "other", replace(definition("pets"), **changes))
    other.tell(TrialResult(other.ask().number, "complete", value=0.5, epochs=1))
    done = CliRunner().invoke(compare, ["pets", "--trials", "pets:1,other:0"])
    assert isinstance(done.exception, StudyError)
    assert line in str(done.exception)


def test_folds_are_all_compared(studied):
    """Trials of three folds are compared by the differences in all of them; one that lacks a fold is named."""
    about = replace(definition("pets"), folds=3)
    study = create_study(open_storage(studied.storage), "folded", about)
    for values in ((0.5, 0.6, 0.7), (0.61, 0.71, 0.815), (0.5, 0.6)):
        number = study.ask().number
        for place, value in enumerate(values):
            study.report(number, value, place + 1)
        study.tell(TrialResult(number, "complete", value=sum(values) / len(values), epochs=6))
    done = CliRunner().invoke(compare, ["pets", "--study", "folded", "--trials", "0,1,2", "--json"])
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    (pair,) = document["pairs"]
    assert (pair["test"], pair["real"]) == ("corrected resampled t", True)
    assert pair["difference"] == pytest.approx(0.1116667)
    assert document["missing"] == ["trial 2 of folded: it has 2 of 3 folds and repeats"]
    assert document["trials"][1]["round_values"] == [0.61, 0.71, 0.815]


def read_answers_of(home):
    """Returns the labels and answers that the first trial left."""
    with np.load(home.root / "files0" / "predictions.npz") as saved:
        return saved["labels"], saved["probabilities"]
