"""The report of a study: one page, written for a reader who was not there, that works without a network."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ...spaces.search_space.parameters import SearchSpace, Value
from ...text import counted
from ..evaluation.advice import advice
from ..evaluation.comparison import parameter_rows
from ..evaluation.direction import Direction
from ..evaluation.metrics import METRICS
from ..evaluation.pages import picture_source, plot_html, plotly_script, render, write_page
from ..results import complete_best_first

if TYPE_CHECKING:
    import plotly.graph_objects

    from ..evaluation.significance import Interval
    from ..evaluation.standing import Standing
    from ..studies.definition import StudyDefinition
    from ..studies.trial_records import TrialRecord
    from .findings import Findings

MOST_TRIALS = 15
MOST_CURVES = 5
LEVEL_COLORS = {"class frequencies alone": "#d73027", "published": "#1a9850"}


@dataclass(frozen=True)
class ReportData:
    """All that a report is made of; the parts that have a default may be missing."""

    name: str
    """The study's name."""
    definition: StudyDefinition
    """The study's definition."""
    trials: Sequence[TrialRecord]
    """All trials of the study."""
    created: str
    """The time of writing, as the reader sees it."""
    dataset_facts: Mapping[str, str] = field(default_factory=dict)
    """Facts to show about the data set, such as the images of each split, by their names."""
    baseline: Mapping[str, float] = field(default_factory=dict)
    """Scores of answering with class frequencies alone, by metric."""
    reference: Mapping[str, float] = field(default_factory=dict)
    """Published scores by metric."""
    reference_source: str = ""
    """The publication of those scores."""
    importances: Mapping[str, float] = field(default_factory=dict)
    """Share of the importance by parameter key."""
    importance_warning: str = ""
    """A sentence where these rest on few trials; empty otherwise."""
    plots: Sequence[tuple[str, plotly.graph_objects.Figure]] = ()
    """Titles and plotly figures of the study."""
    histories: Mapping[int, Sequence[Mapping[str, float]]] = field(default_factory=dict)
    """Metrics per epoch of the best trials, by trial number."""
    pictures: Sequence[tuple[str, Path]] = ()
    """Titles and PNG files of the best trial."""
    standing: Standing | None = None
    """The complete trials judged together; None where they cannot be."""
    findings: Findings | None = None
    """The gain of the search; None while no trial is complete."""
    gpu_hours: float | None = None
    """GPU hours of all trials; None if they were not measured."""
    energy_kwh: float | None = None
    """Energy of all trials; None if it was not measured."""


def write_report(data: ReportData, target: Path) -> Path:
    """Writes the page, which takes 2 MB and the size of its pictures, and returns its path."""
    complete = complete_best_first(data.trials, data.definition.direction)
    best = complete[0] if complete else None
    plots = list(data.plots)
    if any(data.histories.values()):
        objective = data.definition.objective
        levels = {"class frequencies alone": data.baseline.get(objective), "published": data.reference.get(objective)}
        figure = learning_curves_figure(data.histories, objective, levels)
        plots.insert(0, ("Learning curves of the best trials", figure))
    page = render(
        "report.html",
        data=data,
        best=best,
        cards=_cards(data, best),
        states=_states(data.trials),
        configuration=_configuration(best.params) if best else [],
        scores=_scores(data, best) if best else [],
        space=_space_rows(data),
        size=f"{counted(best.epochs, 'epoch')}, the best one {best.best_epoch}; {counted(best.parameters, 'parameter')}"
        if best
        else "",
        standing=data.standing.lines(data.definition.objective) if data.standing else [],
        findings=data.findings.lines() if data.findings else [],
        table=_trial_table(complete, [name for name, _ in data.definition.more_objectives], data.standing),
        advice=_advice(data, complete),
        costs=_costs(data),
        plots=[(title, plot_html(figure)) for title, figure in plots],
        pictures=[(title, picture_source(file)) for title, file in data.pictures],
        script=plotly_script() if plots else "",
    )
    target.parent.mkdir(parents=True, exist_ok=True)
    return write_page(target, page)


def learning_curves_figure(
    histories: Mapping[int, Sequence[Mapping[str, float]]] | Mapping[str, Sequence[Mapping[str, float]]],
    objective: str,
    levels: Mapping[str, float | None] | None = None,
) -> plotly.graph_objects.Figure:
    """Draws the objective on validation over the epochs, one curve per trial.

    Args:
        histories: Metrics per epoch, by trial number or label.
        objective: Name of the metric to draw.
        levels: Scores to compare with, by name, drawn as dashed lines; None for one that is not known.
    """
    import plotly.graph_objects as go

    figure = go.Figure()
    for number, history in histories.items():
        values = [epoch.get(f"val_{objective}") for epoch in history]
        epochs = list(range(1, len(values) + 1))
        figure.add_trace(go.Scatter(x=epochs, y=values, mode="lines+markers", name=f"trial {number}"))
    longest = max(map(len, histories.values()), default=1)
    for name, level in (levels or {}).items():
        if level is not None:
            ends = {"x": [1, longest], "y": [level, level]}
            figure.add_trace(
                go.Scatter(**ends, mode="lines", line_dash="dash", line_color=LEVEL_COLORS[name], name=name)
            )
    layout = {"template": "plotly_white", "height": 420, "margin": {"t": 30}, "showlegend": True}
    figure.update_xaxes(title="epoch", tickformat="d", dtick=max(1, longest // 10))
    return figure.update_layout(**layout, yaxis_title=f"validation {objective}")


def _cards(data: ReportData, best: TrialRecord | None) -> list[tuple[str, str]]:
    objective = data.definition.objective
    name = objective.replace("_", " ")
    cards = [(f"best validation {name}", shown_value(best.value) if best else "none yet")]
    if best and data.standing and (interval := data.standing.intervals.get(best.number)):
        cards.append(("its 95 % interval", _shown_interval(interval)))
    if best and data.standing and data.standing.corrected is not None:
        cards.append(("without the gain from the choice", shown_value(data.standing.corrected)))
    if objective in data.baseline:
        cards.append((f"{name} of class frequencies alone", shown_value(data.baseline[objective])))
    if objective in data.reference:
        cards.append((f"published {name}", shown_value(data.reference[objective])))
    hours = sum(trial.seconds for trial in data.trials) / 3600
    return [*cards, ("trials", str(len(data.trials))), ("time of training", _duration(hours))]


def _states(trials: Sequence[TrialRecord]) -> dict[str, int]:
    states = [trial.state for trial in trials]
    return {state: states.count(state) for state in dict.fromkeys(states)}


def _configuration(params: Mapping[str, Value]) -> list[tuple[str, str]]:
    return [(name, shown_value(value)) for name, value in params.items()]


def _scores(data: ReportData, best: TrialRecord) -> list[tuple[str, str, str, str, str]]:
    """Returns rows of metric, best trial, class frequencies, published score and better side; the objective first."""
    metrics = {name: value for name, value in best.metrics.items() if name in METRICS}
    if best.value is not None:
        metrics = {data.definition.objective: best.value} | metrics
        metrics[data.definition.objective] = best.value
    rows = []
    for name, value in metrics.items():
        direction = METRICS[name].direction if name in METRICS else data.definition.direction
        better = "higher" if direction is Direction.MAXIMIZE else "lower"
        baseline, reference = shown_value(data.baseline.get(name)), shown_value(data.reference.get(name))
        rows.append((name, shown_value(value), baseline, reference, better))
    return rows


def _space_rows(data: ReportData) -> list[tuple[str, str, str]]:
    """Returns rows of parameter, range and importance."""
    rows = []
    for parameter in SearchSpace.from_json(data.definition.search_space).parameters:
        if parameter.kind in ("int", "float"):
            scale = "" if parameter.sampling in (None, "linear") else f", {parameter.sampling} scale"
            end = "" if parameter.low == parameter.high else f" to {parameter.high:g}{scale}"
            extent = f"{parameter.low:g}{end}"
        else:
            extent = ", ".join(str(value) for value in parameter.values) or "yes or no"
        share = data.importances.get(parameter.key)
        rows.append((parameter.key, extent, "" if share is None else f"{share:.0%}"))
    return rows


def _trial_table(
    complete: Sequence[TrialRecord], others: Sequence[str], standing: Standing | None
) -> tuple[list[str], list[list[str]]]:
    """Returns the columns and rows of the best trials, with further objectives and the parameters that differ."""
    intervals = standing.intervals if standing else {}
    shown = complete[:MOST_TRIALS]
    differing = [row.name for row in parameter_rows([trial.params for trial in shown]) if row.differs]
    rows = [
        [
            str(trial.number),
            shown_value(trial.value),
            _shown_interval(intervals.get(trial.number)),
            *(shown_value(trial.value_of(name)) for name in others),
            str(trial.epochs),
            f"{trial.seconds:,.0f}",
            *(shown_value(trial.params.get(name)) for name in differing),
        ]
        for trial in shown
    ]
    return ["trial", "value", "95 % interval", *others, "epochs", "seconds", *differing], rows


def _shown_interval(interval: Interval | None) -> str:
    return "" if interval is None else f"{shown_value(interval.low)} to {shown_value(interval.high)}"


def _advice(data: ReportData, complete: Sequence[TrialRecord]) -> list[str]:
    space = SearchSpace.from_json(data.definition.search_space)
    sure = {} if data.importance_warning else data.importances
    return advice(space, [trial.params for trial in complete], sure)


def _costs(data: ReportData) -> list[tuple[str, str]]:
    ended = [trial for trial in data.trials if trial.state != "complete"]
    costs = [
        ("time of all trials, one after the other", _duration(sum(trial.seconds for trial in data.trials) / 3600)),
        ("of which on trials that did not complete", _duration(sum(trial.seconds for trial in ended) / 3600)),
        ("epochs", f"{sum(trial.epochs for trial in data.trials):,}"),
    ]
    if data.gpu_hours is not None:
        costs.append(("GPU hours", f"{data.gpu_hours:.3g}"))
    if data.energy_kwh is not None:
        costs.append(("energy", f"{data.energy_kwh:.3g} kWh"))
    return costs


def _duration(hours: float) -> str:
    return f"{hours:.2f} h" if hours >= 0.1 else f"{hours * 60:.1f} min"


def shown_value(value: object) -> str:
    """Returns a parameter's value or a score as a page shows it; empty for None and NaN."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
