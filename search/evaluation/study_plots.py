"""Optuna's plots of a study, on one page that works without a network."""

from __future__ import annotations

import contextlib
import importlib
import math
import textwrap
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import optuna
from optuna.trial import FrozenTrial, TrialState

from ...page_style import ACCENT, BAD, GOOD, SOFT
from ...text import counted
from .direction import Direction
from .pages import LEAST_WIDTH, plot_html, plotly_script, render, write_page

if TYPE_CHECKING:
    import plotly.graph_objects

MOST_SLICES = 4
MOST_PARALLEL = 6
# A map of each pair of more than two would have no room for its axes.
MOST_CONTOURS = 2
# More bars than this leave no room for their names.
MOST_BARS = 15
HEIGHT = 420
ENOUGH_TRIALS = 20
# Complete trials from which a page shows a plot; with fewer it is noise that looks like knowledge.
LEAST_TRIALS = {
    "History": 2,
    "Importance": 10,
    "Slice": 10,
    "Parallel coordinate": 10,
    "Empirical distribution": 10,
    "Contour": 30,
}
# Those from which it can be drawn at all, for who asks for one plot.
FEWEST_TRIALS = {"History": 1, **dict.fromkeys(list(LEAST_TRIALS)[1:], 3)}
# Pixels below which a plot's parts would overlap, each with its room per part; a narrow page then scrolls sideways.
WIDTH_PER_PART = 150
NAME_LENGTH = 24
SCALED = ("Slice", "Parallel coordinate", "Contour")
STATE_COLORS = {"COMPLETE": ACCENT, "PRUNED": "#e0a458", "RUNNING": GOOD, "FAIL": BAD}

StudyFigures = list[tuple[str, "plotly.graph_objects.Figure"]]


def write_study_plots(study: optuna.Study, folder: Path, figures: StudyFigures) -> list[Path]:
    """Writes `study_plots.html` into a folder; plots that need more trials are left out, and the page says so.

    Args:
        study: The study, with all its trials.
        folder: Where the page is written; created if missing.
        figures: Its `study_figures`.

    Returns:
        The files written.
    """
    trials = study.get_trials(deepcopy=False)
    counts = {state.name.lower(): sum(trial.state == state for trial in trials) for state in TrialState}
    page = render(
        "study_plots.html",
        name=study.study_name,
        counts={state: number for state, number in counts.items() if number},
        plots=[(title, plot_html(figure)) for title, figure in figures],
        missing=missing_plots(counts.get("complete", 0)),
        script=plotly_script() if figures else "",
    )
    folder.mkdir(parents=True, exist_ok=True)
    return [write_page(folder / "study_plots.html", page)]


def study_figures(study: optuna.Study, objectives: Sequence[str] = ("objective",)) -> StudyFigures:
    """Returns every plot that the study has enough trials for (`LEAST_TRIALS`), with its title.

    They are history, importance, slice, parallel coordinate, contour, empirical distribution, intermediate values,
    timeline, and the Pareto front if there are two or three objectives.
    """
    with _white():
        return list(_figures(study, objectives, LEAST_TRIALS))


def missing_plots(complete: int) -> str:
    """Returns a sentence on the plots that need more complete trials than there are; empty where none does."""
    lacking: dict[int, list[str]] = {}
    for title, least in LEAST_TRIALS.items():
        if complete < least:
            lacking.setdefault(least, []).append(title.lower())
    parts = [f"{', '.join(titles)} from {least}" for least, titles in lacking.items()]
    return f"Drawn with more complete trials than {complete}: {'; '.join(parts)}." if parts else ""


def study_figure(
    study: optuna.Study, title: str, objectives: Sequence[str] = ("objective",)
) -> plotly.graph_objects.Figure | None:
    """Returns the first plot whose title begins with `title`, and draws none after it; None with too few trials."""
    with _white():
        drawn = _figures(study, objectives, FEWEST_TRIALS)
        return next((figure for name, figure in drawn if name.startswith(title)), None)


def import_ahead() -> None:
    """Imports what the plots of a longer study need, which takes more than a second, while nobody waits for them."""
    importlib.import_module("optuna.importance")


def _figures(
    study: optuna.Study, objectives: Sequence[str], least: Mapping[str, int]
) -> Iterator[tuple[str, plotly.graph_objects.Figure]]:
    for title, figure in _drawn(study, objectives, least):
        # Scales of colour stand at the right, outside of what plotly makes room for by itself.
        right = 100 if title.startswith(SCALED) else 20
        figure.update_layout(title=None, height=HEIGHT, margin={"t": 30, "r": right})
        figure.update_xaxes(automargin=True)
        figure.update_yaxes(automargin=True)
        yield title, figure


@contextlib.contextmanager
def _white() -> Iterator[None]:
    """Lets figures begin with the white template. To change that of a finished figure takes as long as to make one."""
    import plotly.io

    before, plotly.io.templates.default = plotly.io.templates.default, "plotly_white"
    try:
        yield
    finally:
        plotly.io.templates.default = before


def _drawn(
    study: optuna.Study, objectives: Sequence[str], least: Mapping[str, int]
) -> Iterator[tuple[str, plotly.graph_objects.Figure]]:
    from optuna import visualization

    trials = study.get_trials(deepcopy=False)
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    if len(objectives) in (2, 3) and len(complete) > 1:
        yield "Pareto front", visualization.plot_pareto_front(study, target_names=list(objectives))
    for number, objective in enumerate(objectives):
        title = f" ({objective})" if len(objectives) > 1 else ""
        for name, figure in _of_objective(study, complete, number, objective, least):
            yield name + title, figure
    if len(objectives) == 1 and any(trial.intermediate_values for trial in trials):
        epochs = max(max(trial.intermediate_values, default=0) for trial in trials)
        values = visualization.plot_intermediate_values(study)
        yield "Intermediate values", values.update_xaxes(title_text="epoch", dtick=max(1, epochs // 10))
    if any(trial.datetime_start for trial in trials):
        timeline = visualization.plot_timeline(study)
        timeline.for_each_trace(lambda bar: bar.update(marker_color=STATE_COLORS.get(bar.name, SOFT)))
        yield "Timeline", timeline


@dataclass(frozen=True)
class Importances:
    """The importance of each parameter for one objective, with what it rests on."""

    shares: Mapping[str, float]
    """Share of the importance by parameter, the largest first; empty with too few trials to tell."""
    complete: int = 0
    """Complete trials that it rests on."""
    pruned: int = 0
    """Pruned trials that it rests on, by their latest values."""

    @property
    def warning(self) -> str:
        """Returns a sentence where too few trials are complete to rely on the shares; empty otherwise."""
        if not self.shares or self.complete >= ENOUGH_TRIALS:
            return ""
        return (
            f"These importances rest on {counted(self.complete, 'complete trial')} and {self.pruned:,} pruned; below "
            f"{ENOUGH_TRIALS} complete trials they may come out quite differently in another search."
        )


def importances(study: optuna.Study, objective: int = 0) -> Importances:
    """Returns Optuna's own importances (PED-ANOVA) of a study.

    A pruned trial counts with its latest value where there is one objective: it was ended for being worse than others,
    and parameters that make trials end early would seem not to matter without it.

    Args:
        study: The study, of one objective or several.
        objective: The place of the objective in the study's order.
    """
    complete = study.get_trials(deepcopy=False, states=[TrialState.COMPLETE])
    if len(complete) < 3 or not _varied(complete):
        return Importances({})
    judged, pruned = study, 0
    if len(study.directions) == 1:
        weak = [_completed(trial) for trial in study.get_trials(deepcopy=False) if _counts_as_weak(trial)]
        judged, pruned = optuna.create_study(study_name=study.study_name, directions=study.directions), len(weak)
        judged.add_trials([*complete, *weak])
    direction = Direction(study.directions[objective].name.lower())
    target = None if len(study.directions) == 1 else (lambda trial: direction.loss(trial.values[objective]))
    with warnings.catch_warnings():
        # Optuna warns whenever a target is given; this target is a loss, so low values are the ones to achieve.
        warnings.filterwarnings("ignore", message=".*achieve low `target` values")
        # Optuna warns of each conditional parameter that few trials have; its importance is then rough, not wrong.
        warnings.filterwarnings("ignore", message="Some regimes for parameter")
        shares = optuna.importance.get_param_importances(
            judged, params=_varied(judged.get_trials(deepcopy=False, states=[TrialState.COMPLETE])), target=target
        )
    return Importances(shares, len(complete), pruned)


def _counts_as_weak(trial: FrozenTrial) -> bool:
    if trial.state is not TrialState.PRUNED or not trial.intermediate_values:
        return False
    return math.isfinite(trial.intermediate_values[max(trial.intermediate_values)])


def _completed(trial: FrozenTrial) -> FrozenTrial:
    """Returns a pruned trial as if it had completed with its latest value."""
    return optuna.create_trial(
        state=TrialState.COMPLETE,
        value=trial.intermediate_values[max(trial.intermediate_values)],
        params=trial.params,
        distributions=trial.distributions,
    )


def _of_objective(
    study: optuna.Study,
    complete: Sequence[FrozenTrial],
    number: int,
    name: str,
    least: Mapping[str, int],
) -> Iterator[tuple[str, plotly.graph_objects.Figure]]:
    from optuna import visualization

    enough = {title for title, count in least.items() if len(complete) >= count}
    target = _value_of(number) if len(study.directions) > 1 else None
    if "History" in enough:
        yield "History", visualization.plot_optimization_history(study, target=target, target_name=name)
    if "Importance" not in enough:
        return
    weights = dict(importances(study, number).shares)
    if not weights:
        return
    ranked = sorted(weights, key=lambda parameter: -weights[parameter])
    # The parallel plot leaves out a trial that lacks one of its parameters, so it gets those that all trials have.
    shared = [parameter for parameter in ranked if all(parameter in trial.params for trial in complete)]
    yield "Importance", _importance_bars(weights)
    if "Slice" in enough:
        slices = visualization.plot_slice(study, params=ranked[:MOST_SLICES], target=target, target_name=name)
        yield "Slice", _with_room(slices, min(len(ranked), MOST_SLICES))
    if len(shared) > 1 and "Parallel coordinate" in enough:
        lines = visualization.plot_parallel_coordinate(study, shared[:MOST_PARALLEL], target=target, target_name=name)
        yield "Parallel coordinate", _with_room(lines, 1 + min(len(shared), MOST_PARALLEL))
    if len(shared) > 1 and "Contour" in enough:
        yield (
            "Contour",
            visualization.plot_contour(study, params=shared[:MOST_CONTOURS], target=target, target_name=name),
        )
    if "Empirical distribution" in enough:
        yield "Empirical distribution", visualization.plot_edf(study, target=target, target_name=name)


def _with_room(figure: plotly.graph_objects.Figure, parts: int) -> plotly.graph_objects.Figure:
    """Breaks the names of parts that stand side by side, and notes the width below which these would overlap."""
    figure.for_each_xaxis(lambda axis: axis.update(title_text=_broken(axis.title.text)))
    # Ticks between powers of ten would overlap.
    figure.for_each_xaxis(lambda axis: axis.update(dtick=1, exponentformat="power"), {"type": "log"})
    if figure.layout.xaxis.ticktext:
        figure.update_xaxes(ticktext=[_broken(name, 18) for name in figure.layout.xaxis.ticktext], tickangle=0)
    # Optuna's own width would be cut off by the page's.
    return figure.update_layout(meta={LEAST_WIDTH: WIDTH_PER_PART * parts}, width=None)


def _broken(name: str | None, length: int = NAME_LENGTH) -> str:
    return "<br>".join(textwrap.wrap(name or "", length, break_long_words=False))


def _importance_bars(weights: dict[str, float]) -> plotly.graph_objects.Figure:
    import plotly.graph_objects as go

    ordered = sorted(weights.items(), key=lambda pair: pair[1])[-MOST_BARS:]
    bars = go.Bar(
        x=[weight for _, weight in ordered], y=[name for name, _ in ordered], orientation="h", marker_color=ACCENT
    )
    figure = go.Figure(bars).update_traces(marker_color=ACCENT)
    return figure.update_layout(xaxis_title="share of the importance (PED-ANOVA)")


def _varied(complete: Sequence[FrozenTrial]) -> list[str]:
    """Returns the parameters that have at least two values among the trials."""
    values: dict[str, set[object]] = {}
    for trial in complete:
        for name, value in trial.params.items():
            values.setdefault(name, set()).add(value)
    return [name for name, seen in values.items() if len(seen) > 1]


def _value_of(number: int) -> Callable[[FrozenTrial], float]:
    return lambda trial: trial.values[number]
