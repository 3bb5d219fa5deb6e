"""MLflow's saved views: a table of runs with its filter, order and columns, listed under "Views" in MLflow's UI."""

from __future__ import annotations

import base64
import json
import zlib
from collections import Counter
from typing import Any

from ...spaces.search_space.parameters import SearchSpace
from ..studies.definition import StudyDefinition
from .records import ViewSaved

TAG_PREFIX = "mlflow.sharedViewState."
MOST_PARAMETERS = 16
# A conditional parameter is shown when it has a variant in so many branches, as the learning rate of each optimizer.
MANY_VARIANTS = 3


def trials_view(study: str, identity: str, definition: StudyDefinition) -> ViewSaved:
    """A study's trials, best first, with the parameters that most of them have. identity: of the study."""
    costs = [f"metrics.{name}" for name, _ in definition.more_objectives]
    names = _parameters(SearchSpace.from_json(definition.search_space))
    return ViewSaved(
        key=f"apertune-{identity}",
        experiment=definition.dataset,
        name=f"{study}: trials, best first",
        runs=f"tags.study = '{study}' and tags.kind = 'trial'",
        order_by="metrics.objective",
        ascending=definition.direction == "minimize",
        columns=("metrics.objective", *costs, "tags.state", "metrics.trial_seconds", *names),
    )


def every_study_view(experiment: str) -> ViewSaved:
    """All trials of a data set, whatever their study."""
    return ViewSaved(
        key="apertune",
        experiment=experiment,
        name="All trials of the data set",
        runs="tags.kind = 'trial'",
        order_by="metrics.objective",
        ascending=False,
        columns=("metrics.objective", "tags.objective", "tags.study", "tags.space", "tags.state", "tags.reason"),
    )


def _parameters(space: SearchSpace) -> list[str]:
    varied = [parameter for parameter in space.parameters if parameter.kind != "fixed"]
    variants = Counter(parameter.name for parameter in varied)
    names = [p.name for p in varied if not p.conditions or variants[p.name] >= MANY_VARIANTS]
    return [f"params.{name}" for name in dict.fromkeys(names)][:MOST_PARAMETERS]


def view_tag(view: ViewSaved) -> tuple[str, str]:
    """The experiment's tag, name and value, that MLflow's UI (3.17) keeps a saved view in.

    The times in it are fixed, so that saving a view again changes nothing.
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
