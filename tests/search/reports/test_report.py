from __future__ import annotations

import re

import optuna
import pytest
from PIL import Image

from apertune.search.evaluation.direction import Direction
from apertune.search.evaluation.study_plots import importances, study_figures
from apertune.search.reports.report import ReportData, write_report
from apertune.search.studies.definition import StudyDefinition
from apertune.search.studies.trial_records import TrialRecord
from apertune.spaces.search_space.parameters import Condition, Parameter, SearchSpace

SPACE = SearchSpace((
    Parameter("learning_rate", "float", 1e-3, low=1e-4, high=1e-1, sampling="log"),
    Parameter("optimizer", "choice", "adam", values=("adam", "<b>sgd</b>")),
))  # fmt: skip
DEFINITION = StudyDefinition(
    dataset="faces", data="", task="multiclass", fingerprint="0123456789abcdef" * 4, space="convnet",
    search_space=SPACE.to_json(), objective="accuracy", direction=Direction.MAXIMIZE, epochs=20,
)  # fmt: skip


def record(number, value, state="complete", **params):
    return TrialRecord(
        number, state, value, {"learning_rate": 0.01, "optimizer": "<b>sgd</b>", **params},
        metrics={"accuracy": value, "log_loss": 1.25} if value is not None else {}, epochs=7, best_epoch=5,
        seconds=1800.0, parameters=12345,
    )  # fmt: skip


@pytest.fixture
def trials():
    return [record(0, 0.5), record(1, 0.75, learning_rate=0.02), record(2, None, state="pruned"), record(3, 0.625)]


def test_the_report_tells_the_story_offline(trials, tmp_path):
    """The page holds best trial, baselines, reference, range, plots, pictures and cost, and loads nothing."""
    picture = tmp_path / "confusion_matrix.png"
    Image.new("RGB", (20, 20), "red").save(picture)
    data = ReportData(
        "faces-convnet",
        DEFINITION,
        trials,
        "2024-05-01",
        dataset_facts={"images": "28,709"},
        baseline={"accuracy": 0.251},
        reference={"accuracy": 0.7128},
        reference_source="Goodfellow et al. 2013",
        histories={1: [{"val_accuracy": 0.5}, {"val_accuracy": 0.75}]},
        pictures=[("Confusion matrix", picture)],
        gpu_hours=1.5,
        energy_kwh=0.25,
    )
    html = write_report(data, tmp_path / "new" / "report.html").read_text(encoding="utf-8")
    assert "Trial 1 is the best: accuracy 0.7500 on validation." in html
    for text in ("0.75", "0.251", "0.7128", "Goodfellow", "28,709", "0.0001 to 0.1, log scale", "1 pruned",
                 "12,345", "2.00 h", "0.50 h", "1.5", "0.25 kWh", "Learning curves of the best trials",
                 'src="data:image/png;base64,'):  # fmt: skip
        assert text in html
    assert html.index("is the best") < html.index("The best trials<") < html.index("Learning curves of")
    assert html.index("Learning curves of") < html.index("Confusion matrix") < html.index("What to try next")
    assert html.index("What to try next") < html.index("<details>") < html.index("Settings of the best trials")
    assert not re.search(r'<(script|img|link|iframe)[^>]+(src|href)="(?!data:)', html)
    assert "<b>sgd</b>" not in html
    assert "&lt;b&gt;sgd&lt;/b&gt;" in html


def test_a_study_without_a_complete_trial_has_a_report(tmp_path):
    """Before any trial is complete the page says so."""
    data = ReportData("faces-convnet", DEFINITION, [record(0, None, state="failed")], "2024-05-01")
    html = write_report(data, tmp_path / "report.html").read_text(encoding="utf-8")
    assert "No trial has completed yet" in html
    assert "1 failed" in html
    assert "<script" not in html


def test_the_least_loss_is_best_when_minimizing(trials, tmp_path):
    """With an objective to be made small the trial of the lowest value is the best."""
    definition = StudyDefinition(**{**vars(DEFINITION), "objective": "log_loss", "direction": Direction.MINIMIZE})
    html = write_report(ReportData("s", definition, trials, "now"), tmp_path / "r.html").read_text(encoding="utf-8")
    assert "Trial 0 is the best: log loss 0.5000 on validation." in html


def test_the_plots_of_a_study_are_taken_as_they_are(trials, tmp_path):
    """Optuna's figures and importances go into the page, plotly.js once."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(lambda t: t.suggest_float("learning_rate", 1e-4, 1e-1, log=True), 12)
    data = ReportData(
        "s", DEFINITION, trials, "now", importances=importances(study).shares, plots=study_figures(study, ["accuracy"])
    )
    html = write_report(data, tmp_path / "r.html").read_text(encoding="utf-8")
    assert html.count("DecompressionStream") == 1
    assert html.count('<div class="plot"') == len(study_figures(study))
    assert len(html) < 2_500_000
    assert "100%" in html


def test_what_is_not_known_has_no_empty_column(trials, tmp_path):
    """Without published scores, class frequencies, intervals and importances their columns are not there, and curves of
    one epoch are not drawn."""
    data = ReportData("s", DEFINITION, trials, "now", histories={1: [{"val_accuracy": 0.75}]})
    html = write_report(data, tmp_path / "r.html").read_text(encoding="utf-8")
    for text in ("published", "class frequencies", "95 % interval<", "importance<", "Learning curves"):
        assert text not in html


def test_parameters_have_readable_names(trials, tmp_path):
    """No key of conditions is on the page: the range of each variant stands beside its condition in words."""
    one = Parameter(
        "rate", "float", 0.1, low=0.01, high=0.5, sampling="log", conditions=(Condition("optimizer", ("adam",)),)
    )
    other = Parameter(
        "rate", "float", 0.1, low=0.02, high=0.6, sampling="log", conditions=(Condition("optimizer", ("sgd",)),)
    )
    space = SearchSpace((*SPACE.parameters, one, other))
    definition = StudyDefinition(**{**vars(DEFINITION), "search_space": space.to_json()})
    data = ReportData("s", definition, trials, "now", importances={"rate (sgd)": 0.75, "optimizer": 0.25})
    html = write_report(data, tmp_path / "r.html").read_text(encoding="utf-8")
    assert "@" not in html.split("<main>")[1]
    assert "optimizer is sgd" in html
    assert re.search(r"0.02 to 0.6, log scale</td><td[^>]*>optimizer is sgd</td><td[^>]*>75%", html)
