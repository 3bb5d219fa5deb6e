"""The page of a study in a notebook: its standing, the best trials, the best configuration, and where the rest is."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from ..text import shown_uri
from ..wording import worded

if TYPE_CHECKING:
    from ..search.evaluation.standing import Standing
    from ..search.results import StudyResult
    from ..search.settings import Home
    from ..search.studies.trial_records import TrialRecord

MOST_TRIALS = 10
_RIGHT = 'style="text-align:right;padding:2px 10px"'
_LEFT = 'style="text-align:left;padding:2px 10px"'


def study_page(home: Home, study: StudyResult) -> str:
    """Returns an element of HTML that needs no other file; all text is escaped."""
    about = study.definition
    complete = study.complete()
    parts = [
        "<div>",
        f"<p><b>{html.escape(study.name)}</b>: {study.finished} of {study.target} trials of the space "
        f"{html.escape(worded(about.space))} on {html.escape(about.dataset)}; {html.escape(about.objective)} on "
        f"validation, {about.direction.value}</p>",
    ]
    if complete:
        standing = _standing(home, study)
        lines = _lines(study, standing) if standing else []
        parts += [f"<p>{html.escape(worded(line))}</p>" for line in lines]
        parts += [_leaderboard(study, complete, standing), _configuration(complete[0])]
    else:
        parts.append("<p>No trial is complete yet.</p>")
    return "".join([*parts, _links(home, study, complete), "</div>"])


def _standing(home: Home, study: StudyResult) -> Standing | None:
    from ..search.reports.study_standing import study_standing

    # While trials run, each look would judge all of them anew.
    return None if study.owner is not None else study_standing(home, study)


def _lines(study: StudyResult, standing: Standing) -> list[str]:
    from ..search.reports.findings import find

    found = find(study, standing)
    return [*standing.lines(study.definition.objective), *(found.lines() if found else ())]


def _leaderboard(study: StudyResult, complete: list[TrialRecord], standing: Standing | None) -> str:
    others = [name for name, _ in study.definition.more_objectives]
    heads = ["trial", study.definition.objective, "95 % interval", *others, "epochs", "seconds", "parameters"]
    head = "".join(f"<th {_RIGHT}>{html.escape(name)}</th>" for name in heads)
    intervals = standing.intervals if standing else {}
    rows = []
    for trial in complete[:MOST_TRIALS]:
        interval = intervals.get(trial.number)
        cells = [
            str(trial.number),
            f"{trial.value:.4f}",
            "" if interval is None else f"{interval.low:.4f} to {interval.high:.4f}",
            *(_number(trial.value_of(name)) for name in others),
            str(trial.epochs),
            f"{trial.seconds:.0f}",
            f"{trial.parameters:,}",
        ]
        rows.append("<tr>" + "".join(f"<td {_RIGHT}>{cell}</td>" for cell in cells) + "</tr>")
    more = len(complete) - MOST_TRIALS
    left = f"<p>and {more} more in <code>study.trials_dataframe()</code></p>" if more > 0 else ""
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>{left}"


def _configuration(best: TrialRecord) -> str:
    rows = "".join(
        f"<tr><td {_LEFT}>{html.escape(name)}</td><td {_LEFT}>{html.escape(_value(value))}</td></tr>"
        for name, value in best.params.items()
    )
    return f"<details><summary>Values of the best trial, {best.number}</summary><table>{rows}</table></details>"


def _links(home: Home, study: StudyResult, complete: list[TrialRecord]) -> str:
    run_id = study.run_ids.get(complete[0].number) if complete else None
    where = shown_uri(home.tracking_uri)
    if where.startswith(("http://", "https://")):
        target = html.escape(where, quote=True)
        return f'<p>MLflow: <a href="{target}">{target}</a>' + (
            f"; best run <code>{run_id}</code></p>" if run_id else ""
        )
    best = f"; the best trial is run <code>{run_id}</code> there" if run_id else ""
    return f"<p>MLflow: <code>apertune ui</code> opens it on this machine{best}.</p>"


def _value(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
