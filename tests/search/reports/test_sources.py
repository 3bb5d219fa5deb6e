from __future__ import annotations

import pytest
from click.testing import CliRunner
from PIL import Image

from apertune.cli.report import report
from apertune.errors import StudyError
from apertune.search.evaluation.direction import Direction
from apertune.search.messages import TrialResult
from apertune.search.reports.report import write_report
from apertune.search.reports.sources import collect_report, read_scores
from apertune.search.results import result_of
from apertune.search.settings import make_home
from apertune.search.studies.definition import StudyDefinition
from apertune.search.studies.drawn_study import DrawnStudy
from apertune.search.studies.opening import create_study, open_study
from apertune.search.studies.storage.storage import open_storage
from apertune.search.tracking.outbox import Outbox
from apertune.search.tracking.records import DatasetLogged
from apertune.spaces.search_space.parameters import Parameter, SearchSpace

SPACE = SearchSpace((Parameter("dropout", "float", 0.2, low=0.0, high=0.5, sampling="linear"),))


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A folder with a study of four trials, the last one still running."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("APERTUNE_STORAGE", raising=False)
    home = make_home({})
    home.root.mkdir()
    definition = StudyDefinition(
        dataset="digits", data="inside scikit-learn", task="multiclass", fingerprint="ab" * 32, space="convnet",
        search_space=SPACE.to_json(), objective="accuracy", direction=Direction.MAXIMIZE, epochs=3,
    )  # fmt: skip
    study = create_study(open_storage(home.storage), "digits-convnet", definition)
    for value in (0.5, 0.75, 0.625):
        number = study.ask().number
        for epoch in (1, 2):
            study.report(number, value * epoch / 2, epoch)
        study.tell(
            TrialResult(number, "complete", "", value=value, metrics={"accuracy": value}, epochs=2, seconds=60.0)
        )
    study.ask()
    return home


def report_data(home, name, files):
    """Gathers a report with the best trial's files in a folder."""
    study = open_study(open_storage(home.storage), name)
    return collect_report(home, DrawnStudy.of(study), result_of(home, study), files=files, created="today")


def test_a_report_is_gathered_from_study_and_files(home, tmp_path):
    """Trials, curves, plots and importances come from the study; pictures, baseline and reference from the files."""
    files = tmp_path / "files"
    files.mkdir()
    Image.new("RGB", (9, 9)).save(files / "confusion_matrix.png")
    (files / "scores.csv").write_text(
        "metric,value,class_frequencies_alone,published_reference,better\naccuracy,0.75,0.1,,maximize\n", "utf-8"
    )
    data = report_data(home, "digits-convnet", files)
    assert [trial.state for trial in data.trials] == ["complete", "complete", "complete", "interrupted"]
    assert data.histories[1] == [{"val_accuracy": 0.375}, {"val_accuracy": 0.75}]
    assert list(data.histories) == [1, 2, 0]
    assert data.baseline == {"accuracy": 0.1}
    assert data.reference == {}
    assert [title for title, _ in data.pictures] == ["Confusion matrix of the best trial"]
    assert data.importances == {}
    assert data.missing_plots.startswith("Drawn with more complete trials than 3: importance, ")
    assert "History" in [title for title, _ in data.plots]


def test_a_report_tells_data_reference_and_cost(home, tmp_path):
    """Facts of the data come from the search's own outbox, the article from its scores, GPU hours from the trials."""
    study = open_study(open_storage(home.storage), "digits-convnet")
    facts = {"train": "1257", "test": "270", "image_shape": "8x8x1"}
    with Outbox(home.study_folder("digits-convnet") / "outbox.jsonl") as outbox:
        outbox.put(DatasetLogged("key", "digits", "ab", "scikit-learn", facts))
    number = study.ask().number
    study.tell(TrialResult(number, "complete", value=0.9, epochs=1, gpu_seconds=1800.0, energy_joules=7.2e5))
    files = tmp_path / "files"
    files.mkdir()
    (files / "scores.csv").write_text(
        "metric,value,class_frequencies_alone,published_reference,better\naccuracy,0.75,0.1,0.6266,maximize\n", "utf-8"
    )
    data = report_data(home, "digits-convnet", files)
    assert data.dataset_facts == {
        "source": "inside scikit-learn",
        "images for train": "1,257",
        "images for test": "270",
        "image shape": "8x8x1",
    }
    assert data.reference == {"accuracy": 0.6266}
    assert data.reference_source.startswith("Article on FER2013")
    assert (data.gpu_hours, data.energy_kwh) == (0.5, 0.2)
    page = write_report(data, tmp_path / "page.html").read_text("utf-8")
    assert "0.2 kWh" in page
    assert "1,257" in page


def test_chart_and_table_of_importances_agree(tmp_path, monkeypatch):
    """The bars of the chart and the shares of the table are the same numbers, also for steps on a log scale."""
    monkeypatch.chdir(tmp_path)
    home = make_home({})
    home.root.mkdir()
    space = SearchSpace(
        (
            Parameter("width", "int", 8, low=8, high=512, step=2, sampling="log"),
            Parameter("shear", "float", 0.1, low=0.0, high=0.5, sampling="linear"),
            Parameter("momentum", "float", 0.9, low=0.1, high=0.99, sampling="reverse_log"),
        )
    )
    definition = StudyDefinition(
        dataset="digits", data="", task="multiclass", fingerprint="ab" * 32, space="convnet",
        search_space=space.to_json(), objective="accuracy", direction=Direction.MAXIMIZE, epochs=3,
    )  # fmt: skip
    study = create_study(open_storage(home.storage), "steps", definition)
    for _ in range(24):
        asked = study.ask()
        value = float(asked.values["width"]) / 1000 + float(asked.values["shear"])
        study.tell(TrialResult(asked.number, "complete", value=value, epochs=1))
    data = report_data(home, "steps", tmp_path)
    (chart,) = (figure for title, figure in data.plots if title == "Importance")
    assert dict(zip(chart.data[0].y, chart.data[0].x, strict=True)) == pytest.approx(dict(data.importances))
    assert data.importance_warning == ""


def test_scores_of_no_file_are_empty(tmp_path):
    """Without the table of scores there is no baseline, and no error."""
    assert read_scores(tmp_path / "none.csv") == {
        "value": {},
        "class_frequencies_alone": {},
        "published_reference": {},
    }


def test_the_command_writes_the_page(home, tmp_path):
    """`apertune report STUDY` writes the page, names it, and says what the best trial has not sent yet."""
    done = CliRunner().invoke(report, ["digits-convnet"])
    assert done.exit_code == 0
    assert done.stdout == "Report written: digits-convnet-report.html\n"
    assert "trial 1 has no MLflow run yet" in done.stderr
    assert "Trial 1 is the best" in (tmp_path / "digits-convnet-report.html").read_text("utf-8")


def test_an_unknown_study_is_refused(home):
    """A study that does not exist is named with those that do."""
    done = CliRunner().invoke(report, ["digits-convnot"])
    assert isinstance(done.exception, StudyError)
    assert "digits-convnet" in str(done.exception)
