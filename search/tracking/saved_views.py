"""Saved views of MLflow's UI: tables of runs with filter, order and columns, listed there under "Views"."""

from __future__ import annotations

import base64
import json
import zlib
from collections import Counter
from typing import Any

from ...spaces.search_space.parameters import SearchSpace
from ..evaluation.direction import Direction
from ..studies.definition import StudyDefinition
from .records import (
    KIND_TAG,
    OBJECTIVE_METRIC,
    OBJECTIVE_TAG,
    REASON_TAG,
    SPACE_TAG,
    STATE_TAG,
    STUDY_TAG,
    TRIAL_KIND,
    ViewSaved,
)

TAG_PREFIX = "mlflow.sharedViewState."
OBJECTIVE = f"metrics.{OBJECTIVE_METRIC}"
MOST_PARAMETERS = 16
# A conditional parameter is shown if at least this many branches have one of its name, such as a learning rate.
MANY_VARIANTS = 3


def study_view_key(identity: str) -> str:
    """Returns the key of a study's view, by which links open it, from the study's identity."""
    return f"apertune-{identity}"


def trials_view(study: str, identity: str, definition: StudyDefinition) -> ViewSaved:
    """Returns the view of a study's trials, best first, with the parameters that most of them have.

    Args:
        study: Name of the study.
        identity: Its identity.
        definition: Its definition.
    """
    costs = [f"metrics.{name}" for name, _ in definition.more_objectives]
    names = _parameters(SearchSpace.from_json(definition.search_space))
    return ViewSaved(
        key=study_view_key(identity),
        experiment=definition.dataset,
        name=f"{study}: trials, best first",
        runs=f"tags.{STUDY_TAG} = '{study}' and tags.{KIND_TAG} = '{TRIAL_KIND}'",
        order_by=OBJECTIVE,
        ascending=definition.direction == Direction.MINIMIZE,
        columns=(OBJECTIVE, *costs, f"tags.{STATE_TAG}", "metrics.trial_seconds", *names),
    )


def every_study_view(experiment: str) -> ViewSaved:
    """Returns the view of all trials of a data set, of whatever study."""
    return ViewSaved(
        key="apertune",
        experiment=experiment,
        name="All trials of the data set",
        runs=f"tags.{KIND_TAG} = '{TRIAL_KIND}'",
        order_by=OBJECTIVE,
        ascending=False,
        columns=(OBJECTIVE, *(f"tags.{tag}" for tag in (OBJECTIVE_TAG, STUDY_TAG, SPACE_TAG, STATE_TAG, REASON_TAG))),
    )


def _parameters(space: SearchSpace) -> list[str]:
    varied = [parameter for parameter in space.parameters if parameter.kind != "fixed"]
    variants = Counter(parameter.name for parameter in varied)
    names = [p.name for p in varied if not p.conditions or variants[p.name] >= MANY_VARIANTS]
    return [f"params.{name}" for name in dict.fromkeys(names)][:MOST_PARAMETERS]


def view_tag(view: ViewSaved) -> tuple[str, str]:
    """Returns name and value of the experiment's tag in which MLflow's UI (3.17) keeps a saved view.

    Its times are fixed, so that saving a view again changes nothing.
    """
    state: dict[str, Any] = {
        "searchFilter": view.runs,
        "orderByKey": _column(view.order_by),
        "orderByAsc": view.ascending,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": [_column(column) for column in view.columns],
        "columnOrder": [_column(column) for column in view.columns],
        "columnWidths": {_column(column): 110 for column in view.columns},
        "runsHiddenMode": "FIRST_10_RUNS",
        "hideEmptyCharts": True,
        "groupBy": None,
        "groupsExpanded": {},
    }
    packed = base64.b64encode(zlib.compress(json.dumps(state).encode())).decode("ascii")
    value = {"name": view.name, "createdAt": 0, "updatedAt": 0, "state": f"deflate;{packed}"}
    return TAG_PREFIX + view.key, json.dumps(value)


def _column(column: str) -> str:
    kind, _, name = column.partition(".")
    return column if kind == "attributes" else f"{kind}.`{name}`"
