"""The model card: the model, the data it learned from, its scores, and the limits of trust in it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...datasets.base import ImageDataset
from ...spaces.registry import SPACES, publication_of
from ...text import some_of
from ..models.contract import ModelContract
from .examination import Examination
from .job import Job
from .opening import times
from .scores import Score
from .selection import Selection
from .training import Confirmation

_MOST_CLASSES = 40


def model_card(
    job: Job, selection: Selection, contract: ModelContract, examination: Examination, artifacts: Path
) -> str:
    """Returns the card in Markdown.

    Source of its parts: Mitchell et al., "Model Cards for Model Reporting" (2019).

    Args:
        job: The promotion.
        selection: The winner and its networks.
        contract: The model's contract.
        examination: The verdict and the scores on test.
        artifacts: The folder of plots and tables of the answers on test.
    """
    parts = (
        [f"# {job.dataset.name}: {some_of(contract.classes, _MOST_CLASSES)}", "", *selection.notes],
        _decision(examination),
        _scores(job, examination),
        _limits(job, contract, examination),
        _data(job),
        _plots(artifacts),
        _configuration(job, selection, contract),
    )
    return "\n".join(line for part in parts for line in [*part, ""])


def published_line(dataset: ImageDataset, examination: Examination) -> str | None:
    """Returns a line on the article's result, measured on other images, which decides nothing; None without one."""
    found = publication_of(dataset)
    if found is None:
        return None
    name, publication = found
    article = f"{publication.result} ({SPACES[name].summary.rstrip('.')})"
    if any(score.reference is not None for score in examination.scores):
        return f"An article reported: {article}; its network, trained on this data, was compared on the test images."
    return (
        f"An article reported: {article}. That was measured on other test images and decides nothing; a search "
        "with --reference trains the article's network, which is then compared on these."
    )


def _decision(examination: Examination) -> list[str]:
    became = "champion" if examination.verdict.promoted else "challenger"
    return [f"Registered as **{became}**: {examination.verdict.reason}."]


def _scores(job: Job, examination: Examination) -> list[str]:
    columns = ["metric", "validation", "test", "95 % interval", "class frequencies alone"]
    columns += [title for title, _ in other_models(examination.scores)]
    lines = [
        f"## Scores on {examination.test_images:,} test images",
        "",
        f"| {' | '.join(columns)} |",
        "| --- " * len(columns) + "|",
        *(f"| {' | '.join(score_cells(score, examination.scores))} |" for score in examination.scores),
        "",
        f"{job.metric.name} is {examination.gap:+.4f} higher on validation than on test.",
    ]
    article = published_line(job.dataset, examination)
    return [*lines, article] if article else lines


def other_models(scores: Sequence[Score]) -> list[tuple[str, str]]:
    """Returns title and field of the column of each model that took part."""
    known = (("champion before", "champion"), ("published reference", "reference"))
    return [(title, name) for title, name in known if any(getattr(score, name) is not None for score in scores)]


def score_cells(score: Score, scores: Sequence[Score]) -> list[str]:
    """Returns a row: metric, validation, test, interval, baseline, and the other models that took part."""
    others = [_number(getattr(score, name)) for _, name in other_models(scores)]
    interval = "" if score.low is None or score.high is None else f"{score.low:.4f} to {score.high:.4f}"
    return [score.metric, _number(score.validation), _number(score.test), interval, _number(score.baseline), *others]


def _plots(artifacts: Path) -> list[str]:
    """The files by name; MLflow shows them beside the card, as artifacts of the promotion's run."""
    names = sorted(path.name for path in artifacts.iterdir() if path.suffix in (".png", ".csv"))
    return ["## Plots and tables", "", f"In the promotion's MLflow run, of the test images: {', '.join(names)}."]


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
        *(f"- trial {entry.number}, {job.metric.name} {_confirmed(entry)}" for entry in selection.confirmations),
        *([f"- {_thresholds(job, contract)}"] if contract.thresholds else []),
        f"- temperature {contract.temperature:.3f}, minimum probability {contract.minimum_probability:g}",
        *(f"- {name}: {value}" for name, value in source.trial.params.items()),
    ]


def _thresholds(job: Job, contract: ModelContract) -> str:
    chosen = "given" if job.settings.rule.kind == "fixed" else f"tuned on validation for {job.settings.rule}"
    if contract.task == "binary":
        return f"threshold {contract.thresholds[0]:.4f} for '{contract.classes[1]}', {chosen}"
    return f"a threshold per class, {chosen}"


def _confirmed(confirmation: Confirmation) -> str:
    searched = f"{confirmation.searched:.4f} in the search"
    words = ", ".join(f"{value:.4f}" for value in confirmation.values)
    return f"on validation: {searched}{', ' + words + ' with fresh seeds' if words else ''}"


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
        f"- The test images were opened {times(examination.openings)}, by any study or export; each time scores on "
        f"them become more flattering, so p had to be below {examination.level:.3g} this time.",
        *([f"- {examination.acceptance}"] if examination.acceptance else []),
    ]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
