"""The report of a study: one page, written for a reader who was not there, that works without a network."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ...page_style import BAD, GOOD, SERIES
from ...spaces.search_space.parameters import SearchSpace
from ...spaces.search_space.wording import condition, readable_names
from ...text import counted, shown_score
from ..evaluation.advice import advice
from ..evaluation.comparison import parameter_rows
from ..evaluation.direction import Direction
from ..evaluation.metrics import METRICS
from ..evaluation.pages import picture_source, plot_html, plotly_script, render, write_page
from ..results import complete_best_first
from .leaderboard import MOST_TRIALS, leaderboard
from .verdict import metric_words, next_steps, verdict

if TYPE_CHECKING:
    import plotly.graph_objects

    from ..evaluation.standing import Standing
    from ..studies.definition import StudyDefinition
    from ..studies.trial_records import TrialRecord
    from .findings import Findings

MOST_CURVES = 5
WIDE = 900  # pixels
LEVEL_COLORS = {"class frequencies alone": BAD, "published": GOOD}
# Titles of the plots that a report shows at once; all others are folded away.
SHOWN_PLOTS = ("Pareto front",)


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
    """Share of the importance by readable name."""
    importance_warning: str = ""
    """A sentence where these rest on few trials; empty otherwise."""
    plots: Sequence[tuple[str, plotly.graph_objects.Figure]] = ()
    """Titles and plotly figures of the study."""
    missing_plots: str = ""
    """A sentence on the plots that need more trials; empty where none does."""
    histories: Mapping[int, Sequence[Mapping[str, float]]] = field(default_factory=dict)
    """Metrics per epoch of the best trials, by trial number."""
    pictures: Sequence[tuple[str, Path]] = ()
    """Titles and PNG files of the best trial, to show at once."""
    more_pictures: Sequence[tuple[str, Path]] = ()
    """Those to fold away."""
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
    plots = [(title, plot_html(figure)) for title, figure in data.plots]
    curves = _curves(data)
    page = render(
        "report.html",
        data=data,
        best=best,
        words=metric_words,
        verdict=verdict(
            data.definition, best, data.standing, data.findings, data.baseline, data.reference, data.reference_source
        ),
        cards=_cards(data, best),
        states=_states(data.trials),
        places=leaderboard(complete, data.standing),
        others=[name for name, _ in data.definition.more_objectives],
        score=shown_score,
        shown_value=shown_value,
        settings=_settings(data, complete[:MOST_TRIALS]),
        scores=_scores(data, best) if best else [],
        space=_space_rows(data),
        size=f"{counted(best.epochs, 'epoch')}, the best one {best.best_epoch}; {counted(best.parameters, 'parameter')}"
        if best
        else "",
        steps=next_steps(len(data.trials), len(complete), _advice(data, complete), data.findings),
        costs=_costs(data),
        curves="" if curves is None else plot_html(curves),
        plots=[(title, plot) for title, plot in plots if title.startswith(SHOWN_PLOTS)],
        more_plots=[(title, plot) for title, plot in plots if not title.startswith(SHOWN_PLOTS)],
        pictures=[(title, picture_source(file), _is_wide(file)) for title, file in data.pictures],
        more_pictures=[(title, picture_source(file)) for title, file in data.more_pictures],
        script=plotly_script() if plots or curves is not None else "",
    )
    target.parent.mkdir(parents=True, exist_ok=True)
    return write_page(target, page)


def _is_wide(file: Path) -> bool:
    """Returns whether a picture could not be read in half the page's width, as the matrices of many labels."""
    from PIL import Image

    with Image.open(file) as picture:
        return int(picture.width) > WIDE


def _curves(data: ReportData) -> plotly.graph_objects.Figure | None:
    """Draws the learning curves of the best trials; None where no trial has two epochs to draw a line between."""
    if max(map(len, data.histories.values()), default=0) < 2:
        return None
    name = data.definition.objective
    levels = {"class frequencies alone": data.baseline.get(name), "published": data.reference.get(name)}
    return learning_curves_figure(data.histories, name, levels)


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
    layout = {"template": "plotly_white", "height": 360, "margin": {"t": 10, "r": 10}, "showlegend": True}
    # Below the plot, where it takes no width from the curves on a phone.
    layout |= {"legend": {"orientation": "h", "y": -0.2}, "colorway": list(SERIES)}
    figure.update_xaxes(title="epoch", tickformat="d", dtick=max(1, longest // 10), title_standoff=4)
    return figure.update_layout(**layout, yaxis_title=f"{metric_words(objective)} on validation")


def _cards(data: ReportData, best: TrialRecord | None) -> list[tuple[str, str]]:
    """Returns titles and values of the numbers at the head of the page."""
    name = metric_words(data.definition.objective)
    cards = [(f"{name} of the best trial", shown_score(best.value) if best else "none yet")]
    if best and data.standing and data.standing.corrected is not None and data.standing.flattered:
        cards.append(("without the gain from the choice", shown_score(data.standing.corrected)))
    if best and best.parameters:
        cards.append(("parameters of its network", f"{best.parameters:,}"))
    complete = sum(trial.state == "complete" for trial in data.trials)
    hours = sum(trial.seconds for trial in data.trials) / 3600
    return [
        *cards,
        (f"trials, {complete} of them complete", str(len(data.trials))),
        ("training time", _duration(hours)),
    ]


def _states(trials: Sequence[TrialRecord]) -> dict[str, int]:
    states = [trial.state for trial in trials]
    return {state: states.count(state) for state in dict.fromkeys(states)}


def _settings(data: ReportData, shown: Sequence[TrialRecord]) -> list[tuple[str, bool, list[str]]]:
    """Returns rows of parameter, whether the best trials differ in it, and its value in each; the important first."""
    rows = parameter_rows([trial.params for trial in shown])
    space = SearchSpace.from_json(data.definition.search_space)
    names, shares = readable_names(space), dict[str, float]()
    for parameter in space.parameters:
        # Variants of a parameter share one row, which counts as the most important of them.
        share = data.importances.get(names[parameter.key], 0.0)
        shares[parameter.name] = max(shares.get(parameter.name, 0.0), share)
    ordered = sorted(rows, key=lambda row: (not row.differs, -shares.get(row.name, 0.0)))
    return [(row.name, row.differs, [shown_value(value) for value in row.values]) for row in ordered]


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
        rows.append((metric_words(name), shown_value(value), baseline, reference, better))
    return rows


def _space_rows(data: ReportData) -> list[tuple[str, str, str, str]]:
    """Returns rows of parameter, range, condition and importance."""
    rows = []
    space = SearchSpace.from_json(data.definition.search_space)
    names = readable_names(space)
    for parameter in space.parameters:
        if parameter.kind in ("int", "float"):
            scale = "" if parameter.sampling in (None, "linear") else f", {parameter.sampling} scale"
            end = "" if parameter.low == parameter.high else f" to {parameter.high:g}{scale}"
            extent = f"{parameter.low:g}{end}"
        else:
            extent = ", ".join(str(value) for value in parameter.values) or "yes or no"
        share = data.importances.get(names[parameter.key])
        shown = "" if share is None else f"{share:.0%}"
        rows.append((parameter.name, extent, condition(parameter.conditions), shown))
    return rows


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
