"""The study object: its tables, its page, its figures, and its model."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import apertune


def test_the_table_has_a_row_per_trial(tuned: apertune.Study) -> None:
    """`trials_dataframe` holds numbers, values, states, hyperparameters and MLflow runs."""
    table = tuned.trials_dataframe()
    assert list(table["number"]) == list(range(len(tuned.trials)))
    assert set(table["state"]) == {"complete"}
    assert {"params_optimizer", "metrics_accuracy", "value", "run_id"} <= set(table.columns)
    assert table["run_id"].notna().all()
    assert tuned.best_value == table["value"].max()
    assert tuned.best_params["blocks"] == 2


def test_its_page_shows_the_best_first(tuned: apertune.Study) -> None:
    """The page in a notebook has the leaderboard, the interval of the best, its values, and the way to MLflow."""
    page = tuned._repr_html_()
    rows = re.findall(r"<tr><td[^>]*>(\d+)</td><td[^>]*>(0\.\d{4})</td><td[^>]*>(0\.\d+ to [01]\.\d+)</td>", page)
    assert [float(row[1]) for row in rows] == sorted((float(row[1]) for row in rows), reverse=True)
    assert int(rows[0][0]) == tuned.best.number
    assert f"Values of the best trial, {tuned.best.number}" in page
    assert "apertune ui" in page
    assert "<script" not in page


def test_a_name_cannot_add_to_the_page(tuned: apertune.Study, monkeypatch: pytest.MonkeyPatch) -> None:
    """Text from data and studies is escaped."""
    from dataclasses import replace

    result = tuned._read()
    nasty = replace(result, definition=replace(result.definition, dataset="<img src=x>"))
    monkeypatch.setattr(tuned, "_read", lambda: nasty)
    assert "<img" not in tuned._repr_html_()


def test_figures(tuned: apertune.Study) -> None:
    """History, curves and confusion come from what the study holds."""
    assert len(tuned.plot_history().data[0].x) == len(tuned.trials)
    curves = tuned.plot_curves(2)
    assert [len(curve.y) for curve in curves.data] == [2, 2]
    matrix = tuned.plot_confusion().data[0]
    assert list(matrix.x) == [str(digit) for digit in range(10)]
    assert np.asarray(matrix.text).sum() == len(tuned.data.validation)  # type: ignore[union-attr]
    again = apertune.open_study(tuned.name, home=tuned.home.root)
    assert list(again.plot_confusion(0).data[0].x) == list(matrix.x)


def test_the_best_model_answers_as_the_study_says(tuned: apertune.Study) -> None:
    """The best trial's network reaches on the validation images the accuracy that the study has of it."""
    data = tuned.data
    assert data is not None
    images, labels = data.images[data.validation], data.labels[data.validation]
    names = tuned.predict(images)
    assert float((names == labels.astype(str)).mean()) == pytest.approx(tuned.best.metrics["accuracy"])
    shares = tuned.model().predict_proba(images)
    assert np.array_equal(shares.argmax(axis=1).astype(str), names)
    assert np.allclose(np.asarray(tuned.best_model().predict_on_batch(images)), shares, atol=1e-5)
    assert len(tuned.get_best_models(2)) == 2


def test_files_are_answered_in_a_table(tuned: apertune.Study, tmp_path: Path) -> None:
    """A folder gives one row per file, and a file that cannot be read says why."""
    from PIL import Image

    data = tuned.data
    assert data is not None
    Image.fromarray(data.images[0, :, :, 0]).resize((20, 20)).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"no picture")
    table = tuned.predict(tmp_path)
    assert list(table["file"]) == [str(tmp_path / "a.png"), str(tmp_path / "b.png")]
    assert table.loc[0, "name"] in data.classes
    assert table.loc[0, "problem"] != table.loc[0, "problem"]
    assert isinstance(table.loc[1, "problem"], str)
    with pytest.raises(apertune.UserError, match="pixels must be uint8"):
        tuned.predict(data.images[:2] / 255)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda study: study.model(99), "has no complete trial 99; complete are: 0, 1"),
        (lambda study: study.promote(sedes=3), "unknown argument 'sedes'; did you mean 'seeds'"),
        (lambda study: study.promote(seeds=0), "^seeds must be at least 1, but got 0$"),
        (lambda study: study.stop(), "is not being searched; nothing to stop"),
        (lambda study: apertune.open_study("x", home=study.home.root), "no study is called 'x'; there are: "),
        (lambda study: apertune.open_study(study.name, home=study.home.root).promote(), "^data must be given, since"),
        (lambda study: study.plot_importances(), "has too few complete trials for this figure"),
        (lambda study: study.export("x", formats=["onxx"]), "unknown export format 'onxx'; did you mean 'onnx'"),
    ],
)
def test_a_mistake_is_one_line(tuned: apertune.Study, ask: object, message: str) -> None:
    """A thing that is not there, or not known, is said in one line."""
    with pytest.raises(apertune.UserError, match=message) as caught:
        ask(tuned)  # type: ignore[operator]
    assert "\n" not in str(caught.value)
    assert "--" not in str(caught.value)
