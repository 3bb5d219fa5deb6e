"""Words that a shell offers at the Tab key: data sets, spaces, studies, metrics and paths.

A shell waits for them, so studies are read from their file without Optuna; whatever is amiss gives no words.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections.abc import Callable, Iterable

import click
from click.shell_completion import CompletionItem

Completion = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]

_STUDIES = """
    select studies.study_name, study_user_attributes.value_json from studies
    join study_user_attributes on study_user_attributes.study_id = studies.study_id
    where study_user_attributes.key = ?
"""


def _offered(words: Callable[[], Iterable[str]]) -> Completion:
    def complete(context: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem]:
        with contextlib.suppress(Exception):
            return [CompletionItem(word) for word in sorted(set(words())) if word.startswith(begun)]
        return []

    return complete


def study_names() -> dict[str, str]:
    """Returns the data set of each study in this folder, by the study's name."""
    from ..search.settings import make_home

    file = make_home(os.environ).studies_file
    if file is None or not file.is_file():
        return {}
    with contextlib.closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True, timeout=1)) as database:
        rows = database.execute(_STUDIES, (DEFINITION,)).fetchall()
    return {name: json.loads(definition)["dataset"] for name, definition in rows}


def _data_sets() -> Iterable[str]:
    from ..datasets.adapters.registry import all_adapters

    return all_adapters()


def _spaces() -> Iterable[str]:
    from ..spaces.registry import SPACES

    return SPACES


def _studies_and_data_sets() -> Iterable[str]:
    known = study_names()
    return [*known, *known.values()]


def _objectives() -> Iterable[str]:
    from ..search.evaluation.costs import COST_NAMES
    from ..search.evaluation.metrics import METRICS

    return [*METRICS, *COST_NAMES]


def _paths(context: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    return [CompletionItem(begun, type="file")]


# The key of a study's attribute that holds its definition; a test compares.
DEFINITION = "apertune"
data_sets = _offered(_data_sets)
studies = _offered(study_names)
studies_or_data_sets = _offered(_studies_and_data_sets)
promotable = _offered(lambda: [*_studies_and_data_sets(), *_data_sets()])
spaces = _offered(_spaces)
paths: Completion = _paths

# By the flag, for settings that are declared where no shell is known.
OF_FLAGS: dict[str, Completion] = {
    "data": paths,
    "labels": paths,
    "root": paths,
    "space": spaces,
    "study": studies,
    "from-study": studies,
    "objective": _offered(_objectives),
}
