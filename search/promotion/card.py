"""The model card: what a model is, what it learned from, how good it is and where it must not be trusted."""

from __future__ import annotations

from collections.abc import Sequence

from ...spaces.registry import SPACES, reference_for
from ..model_contract import ModelContract
from .examination import Examination, Score
from .job import Job
from .opening import times
from .selection import Selection

_MOST_CLASSES = 40


def model_card(job: Job, selection: Selection, contract: ModelContract, examination: Examination) -> str:
    """The card in Markdown. Source of its parts: Mitchell et al., "Model Cards for Model Reporting" (2019)."""
    parts = (
        [f"# {job.dataset.name}: {', '.join(_shown(contract.classes))}", "", *selection.notes],
        _decision(examination),
        _scores(job, examination),
        _data(job),
        _configuration(job, selection, contract),
        _limits(job, contract, examination),
    )
    return "\n".join(line for part in parts for line in [*part, ""])


def published(dataset: str) -> str | None:
    """What an article reported on the data set, in words, if one is known."""
    name = reference_for(dataset)
    publication = SPACES[name].publication if name else None
    return f"{publication.result} ({SPACES[name].summary.rstrip('.')})" if name and publication else None


def _decision(examination: Examination) -> list[str]:
    became = "champion" if examination.verdict.promoted else "challenger"
    return [f"Registered as **{became}**: {examination.verdict.reason}."]


def _scores(job: Job, examination: Examination) -> list[str]:
    lines = [
        f"## Scores on {examination.test_images:,} test images",
        "",
        "| metric | validation | test | 95 % interval | class frequencies alone | champion before |",
        "| --- | --- | --- | --- | --- | --- |",
        *(_score_line(score) for score in examination.scores),
        "",
        f"{job.metric.name} is {examination.gap:+.4f} higher on validation than on test.",
    ]
    article = published(job.dataset.adapter)
    return [*lines, f"An article reported: {article}."] if article else lines


def _score_line(score: Score) -> str:
    interval = "" if score.low is None or score.high is None else f"{score.low:.4f} to {score.high:.4f}"
    cells = (_number(score.validation), _number(score.test), interval, _number(score.baseline), _number(score.champion))
    return f"| {score.metric} | {' | '.join(cells)} |"


def _data(job: Job) -> list[str]:
    dataset = job.dataset
    return [
        "## Data",
        "",
        f"- {dataset.name}, {dataset.task}, {dataset.source}",
        f"- {len(dataset.train):,} training, {len(dataset.validation):,} validation, {len(dataset.test):,} test images",
        f"- licence: {dataset.licence or 'not known'}",
        f"- fingerprint (SHA-256): {dataset.fingerprint}",
        *(f"- {note}" for note in dataset.notes),
    ]


def _configuration(job: Job, selection: Selection, contract: ModelContract) -> list[str]:
    source = selection.winner.source
    return [
        "## Configuration",
        "",
        f"- study {job.study.name}, trial {source.trial.number} of the space {job.study.definition.space}",
        f"- MLflow runs: trial {source.run_id}, search {source.search_run_id or 'not known'}",
        *(f"- {confirmed.number}: {_confirmed(confirmed.values)}" for confirmed in selection.confirmations),
        f"- temperature {contract.temperature:.3f}, minimum probability {contract.minimum_probability:g}",
        *(f"- {name}: {value}" for name, value in source.trial.params.items()),
    ]


def _confirmed(values: Sequence[float]) -> str:
    words = ", ".join(f"{value:.4f}" for value in values)
    return f"on validation with fresh seeds {words}" if values else "as the search trained it"


def _limits(job: Job, contract: ModelContract, examination: Examination) -> list[str]:
    height, width, channels = contract.image_shape
    kind = "grey" if channels == 1 else "colour"
    return [
        "## Limits",
        "",
        f"- It sees {width}x{height} {kind} pixels; other images are brought to that size ({contract.resize}).",
        "- It knows its classes alone, and answers with one of them whatever the image shows, unless a minimum "
        "probability is set.",
        "- Its scores hold for images like those of its data set; elsewhere they must be measured anew.",
        f"- The test set of this study was opened {times(examination.openings)}; each time its scores flatter more.",
    ]


def _shown(classes: Sequence[str]) -> list[str]:
    return list(classes) if len(classes) <= _MOST_CLASSES else [*classes[:_MOST_CLASSES], f"… ({len(classes)} classes)"]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
