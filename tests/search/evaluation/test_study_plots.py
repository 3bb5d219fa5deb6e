from __future__ import annotations

import optuna
import pytest

from apertune.search.evaluation.pages import plot_html
from apertune.search.evaluation.study_plots import (
    importances,
    missing_plots,
    study_figure,
    study_figures,
    write_study_plots,
)

FULL = [
    "History", "Importance", "Slice", "Parallel coordinate", "Contour", "Empirical distribution",
    "Intermediate values", "Timeline",
]  # fmt: skip


@pytest.fixture(autouse=True)
def quiet():
    """Optuna's own messages are silenced but for warnings, which the tests look for."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)


def objective(trial):
    rate = trial.suggest_float("learning_rate", 1e-4, 1e-1, log=True)
    model = trial.suggest_categorical("model", ["cnn", "resnet"])
    trial.suggest_float("dropout", 0.0, 0.5)
    if model == "cnn":
        trial.suggest_int("units@model=cnn", 8, 64)
    trial.report(rate, 1)
    if trial.number % 5 == 4:
        raise optuna.TrialPruned
    return -abs(rate - 0.01)


def study_of(trials):
    study = optuna.create_study(
        study_name="<b>&</script>", direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0)
    )
    study.optimize(objective, trials)
    return study


def test_a_study_gets_every_plot(tmp_path, capsys):
    """Enough trials give all of Optuna's plots on one page that names no address to fetch a script from."""
    study = study_of(40)
    assert [title for title, _ in study_figures(study)] == FULL
    capsys.readouterr()
    (page,) = write_study_plots(study, tmp_path / "plots", study_figures(study, ["accuracy"]))
    html = page.read_text(encoding="utf-8")
    assert "<title>&lt;b&gt;&amp;&lt;/script&gt;: study plots" in html
    assert "32 complete, 8 pruned" in html
    assert "units@model=cnn" in html
    assert "<script src" not in html
    assert html.count("DecompressionStream") == 1
    assert not list(page.parent.glob("*.writing"))
    assert "[W " not in capsys.readouterr().err


def test_a_page_waits_for_enough_trials():
    """Each plot is on the page from its own number of complete trials; asked for by name it comes from three."""
    few, more = study_of(6), study_of(15)
    assert [title for title, _ in study_figures(few)] == ["History", "Intermediate values", "Timeline"]
    assert [title for title, _ in study_figures(more)] == [title for title in FULL if title != "Contour"]
    assert missing_plots(12) == "Drawn with more complete trials than 12: contour from 30."
    assert missing_plots(30) == ""
    assert study_figure(few, "Slice") is not None


def test_long_names_have_room():
    """The plots of parts side by side say from which width these do not overlap, and break long names."""
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    name = "weight_decay (adam, adamax, rmsprop, sgd)"
    study.optimize(lambda t: t.suggest_float(name, 0, 1) + t.suggest_float("b", 0, 1), 12)
    drawn = dict(study_figures(study))
    assert drawn["Slice"].layout.meta["least_width"] >= 300
    assert "<br>" in drawn["Slice"].layout.xaxis.title.text + drawn["Slice"].layout.xaxis2.title.text
    assert "min-width: " in plot_html(drawn["Slice"])
    assert "min-width: " not in plot_html(drawn["History"])
    assert any("<br>" in text for text in drawn["Parallel coordinate"].layout.xaxis.ticktext)


@pytest.mark.parametrize("trials", [0, 1, 2])
def test_few_trials_give_fewer_plots_and_no_warning(trials, tmp_path, capsys):
    """No trial, one and two give a page that says what is missing, and Optuna warns of nothing."""
    study = study_of(trials)
    (page,) = write_study_plots(study, tmp_path, study_figures(study))
    assert f"Drawn with more complete trials than {trials}: " in page.read_text(encoding="utf-8")
    expected = ["History"] * (trials > 1) + ["Intermediate values", "Timeline"] * (trials > 0)
    assert [title for title, _ in study_figures(study)] == expected
    assert "[W " not in capsys.readouterr().err


def test_a_study_whose_trials_all_ended_early(tmp_path, capsys):
    """Pruned and running trials alone give their curves and the timeline."""
    study = optuna.create_study()
    study.ask()
    pruned = study.ask()
    pruned.report(1.0, 1)
    study.tell(pruned, state=optuna.trial.TrialState.PRUNED)
    assert [title for title, _ in study_figures(study)] == ["Intermediate values", "Timeline"]
    assert "[W " not in capsys.readouterr().err


def test_several_objectives_have_a_pareto_front(tmp_path, capsys):
    """Two objectives give the Pareto front first, and the other plots once for each."""
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(lambda t: (t.suggest_float("a", 0, 1), t.suggest_float("b", 0, 1)), 12)
    titles = [title for title, _ in study_figures(study, ["accuracy", "parameters"])]
    assert titles[0] == "Pareto front"
    assert {"History (accuracy)", "History (parameters)", "Importance (parameters)", "Timeline"} < set(titles)
    assert "[W " not in capsys.readouterr().err


def test_importance_needs_something_to_compare():
    """A parameter that never varied is left out, and the one that matters comes first."""
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(lambda t: t.suggest_float("a", 0, 1) + 0 * t.suggest_float("b", 0, 1) + t.suggest_int("c", 1, 1), 30)
    weights = importances(study).shares
    assert weights == optuna.importance.get_param_importances(study, params=["a", "b"])
    assert set(weights) == {"a", "b"}
    assert weights["a"] > weights["b"]
    assert sum(weights.values()) == pytest.approx(1)


def test_pruned_trials_count_towards_importance(capsys):
    """A parameter that makes trials end early matters, though all complete trials agree in it; few trials are told."""
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0))

    def ending_early(trial):
        rate = trial.suggest_float("rate", 0, 1)
        trial.suggest_float("other", 0, 1)
        trial.report(0.9 - rate / 100 if rate < 0.5 else 0.1, 1)
        if rate >= 0.5:
            raise optuna.TrialPruned
        return 0.9 - rate / 1000

    study.optimize(ending_early, 30)
    found = importances(study)
    assert (found.complete, found.pruned) == (15, 15)
    alone = optuna.create_study(direction="maximize")
    alone.add_trials(study.get_trials(states=[optuna.trial.TrialState.COMPLETE]))
    assert found.shares["rate"] > importances(alone).shares["rate"]
    assert found.warning.startswith("These importances rest on 15 complete trials and 15 pruned; below 20")
    assert importances(study_of(40)).warning == ""
    assert "[W " not in capsys.readouterr().err
