"""The model to register: the selected network with its calibration inside and its thresholds in the contract."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ...datasets.base import Labels, Task
from ..evaluation.calibration import HIGHEST, LOWEST, apply_temperature, fit_temperature
from ..evaluation.decisions import Probabilities
from ..evaluation.metrics import for_task
from ..evaluation.thresholds import tuned_thresholds
from ..models.calibrated_network import with_temperature
from ..models.contract import ModelContract
from ..models.package import load_model, save_model
from .ensemble import averaged_network
from .job import Job
from .selection import Selection

# Scores are shown with four digits.
LEAST_TOLD = 5e-5


def assemble(job: Job, selection: Selection, folder: Path) -> tuple[ModelContract, Probabilities, str]:
    """Writes the model to a folder.

    Returns:
        Its contract, its calibrated answers to the validation images, and a line on what the calibration changed.

    Raises:
        ModelError: The files of a network are damaged.
        SettingError: No threshold reaches what --threshold asks for.
    """
    task, labels = job.dataset.task, job.view.labels("validation")
    temperature = fit_temperature(task, labels, selection.probabilities)
    calibrated = apply_temperature(task, selection.probabilities, temperature)
    if not 1.01 * LOWEST < temperature < 0.99 * HIGHEST:
        job.say(
            f"WARNING: calibration took the temperature to its bound, {temperature:.3g}: the probabilities say little "
            "about how often the answers are right."
        )
    thresholds = () if task == "multiclass" else tuned_thresholds(labels, calibrated, job.settings.rule)
    contract = replace(
        ModelContract.of(job.view),
        thresholds=tuple(float(threshold) for threshold in thresholds),
        minimum_probability=job.settings.minimum_probability,
        temperature=temperature,
    )
    networks = [load_model(member.folder)[0] for member, _ in selection.members]
    weights = [weight for _, weight in selection.members]
    network = networks[0] if len(networks) == 1 else averaged_network(networks, weights)
    save_model(with_temperature(network, task, temperature), contract, folder, for_serving=True)
    note = calibration_line(task, labels, selection.probabilities, calibrated, temperature)
    job.say(note)
    return contract, calibrated, note


def calibration_line(
    task: Task, labels: Labels, before: Probabilities, after: Probabilities, temperature: float
) -> str:
    """Returns which scores on validation temperature scaling changed; answers at 0.5 and rankings it never does."""
    changed = []
    for metric in for_task(task):
        old, new = metric.score(labels, before), metric.score(labels, after)
        if metric.of_probabilities and abs(new - old) >= LEAST_TOLD:
            changed.append(f"{metric.name} {old:.4f} to {new:.4f}")
    if not changed:
        return f"Calibrated by the temperature {temperature:.3g}, which changes no score on validation."
    return (
        f"Calibrated by the temperature {temperature:.3g}, which changes on validation {', '.join(changed)}; answers "
        "and rankings stay, so other scores are those of the search."
    )
