"""`apertune.tune`: a search in one call."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..cli.search import check_before_loading
from ..cli.searching import judged, outcome_line, without_complete_trial
from ..datasets.base import ImageDataset
from ..errors import ApertuneError, SettingError, StudyError
from ..quiet import import_optuna_quietly
from ..search.evaluation.baselines import label_frequencies
from ..search.executors.places import PlaceSettings
from ..search.settings import Home, SearchSettings
from ..search.strategies.presets import preset_settings
from ..search.training.additions import Additions, check_callbacks, check_metrics
from ..settings_fields import declarations
from ..spaces.foreign.sent import keep, look_in, pack
from ..spaces.registry import SPACES, Entry
from ..text import counted
from .arguments import home_in, refuse_unknown, settings_from
from .displays import shown
from .study import Study

if TYPE_CHECKING:
    from ..search.engine.launch import SearchResult
    from ..search.engine.state import Display
    from ..search.messages import TrialResult

# Settings of a study's last search that a search which goes on with it takes over only if they are given again.
_OF_ONE_SEARCH = {*declarations(PlaceSettings), "study", "from_study", "hours", "storage"}


def tune(
    data: ImageDataset,
    space: Any = None,
    trials: int | None = None,
    *,
    epochs: int | None = None,
    hours: float | None = None,
    objective: str | Sequence[str] | None = None,
    study: str | Study | None = None,
    preset: str | None = None,
    reference: bool = False,
    quiet: bool = False,
    home: str | Path | None = None,
    callbacks: Sequence[Any] = (),
    metrics: Sequence[Any] = (),
    augmentation: Any = None,
    on_trial_end: Callable[[TrialResult], object] | None = None,
    **settings: Any,
) -> Study:
    """Searches hyperparameters, or goes on with a study.

    Shows the search while it runs: live in a notebook, as a bar in a terminal, as plain lines elsewhere. Ctrl-C, or the
    interruption of the kernel, ends it cleanly; the same call then goes on with it.

    Args:
        data: The data set, from `apertune.load`, `apertune.from_arrays` and their like.
        space: The search space: a name such as "residual", "package.module:Name" of a KerasTuner HyperModel, or a
            function `build(hp)`, a HyperModel or its class, which are sent to the workers as they are. "convnet"
            unless given.
        trials: Configurations to try; 20 unless given.
        epochs: Maximum epochs of each; 20 unless given.
        hours: Hours after which the search stops.
        objective: The metric to search by, or several; that of the data set's task unless given.
        study: The study to start or to go on with: a name, or a study itself. A study that exists brings the settings
            of its last search, over which arguments win.
        preset: A budget in one word, "quick", "good" or "best"; arguments win over it.
        reference: Train the data set's published network first.
        quiet: Show nothing.
        home: The folder for studies and results; `mlflow` in the working directory unless given.
        callbacks: Keras callbacks, or functions and classes that make one; each trial gets fresh copies.
        metrics: Metrics to record on validation beside our own: functions of labels and probabilities, Keras metrics,
            or names such as "kappa". With `objective="NAME:max"` the search goes by one of them.
        augmentation: A Keras layer that changes training images, float32 from 0 to 255, in place of the augmentation
            that the space searches.
        on_trial_end: Called with the result of each trial that ends; an error that it raises ends the search.
        settings: Further fields of `apertune.search.SearchSettings`, such as `patience`, `workers`, `sampler`, `fix`
            and `folds`.

    Returns:
        The study, which shows itself as a page in a notebook.

    Raises:
        UserError: An argument or the data are wrong, or the study was made for something else.
        ApertuneError: No trial completed.
        KeyboardInterrupt: The search was interrupted. It has ended cleanly, and nothing is lost.

    Example:
        >>> study = apertune.tune(data, trials=2, epochs=1, workers=1, quiet=True)
        >>> study.best_value > 0
        True
    """
    if not isinstance(data, ImageDataset):
        raise SettingError(
            f"data must be a data set, such as apertune.load('digits') or apertune.from_arrays(images, labels), but "
            f"got {type(data).__name__}"
        )
    import_optuna_quietly()
    given = {
        "space": space, "trials": trials, "epochs": epochs, "hours": hours, "objective": objective,
    }  # fmt: skip
    given = {name: value for name, value in given.items() if value is not None} | settings
    place = _home(home, study, given.get("storage"))
    look_in(place.spaces)
    if space is not None and not isinstance(space, str):
        given["space"] = _sent_space(space, place)
    if callbacks or metrics or augmentation is not None:
        given |= _additions(data, Additions(tuple(callbacks), tuple(metrics), augmentation), given, place)
    made = _settings(given, study, preset, place)
    check_before_loading(made, place)
    with shown(quiet=quiet, on_trial_end=on_trial_end) as display:
        result = _searched(data, made, place, display, reference=reference)
        if not quiet:
            _tell_findings(result, place, display)
    found = Study(result.study, place, data)
    if result.signal:
        raise KeyboardInterrupt(
            f"stopped at {result.finished} of {counted(result.target, 'trial')}; go on with "
            f"apertune.tune(data, study={result.study!r})"
        )
    if failure := without_complete_trial(result):
        raise ApertuneError(failure)
    return found


def _sent_space(space: Any, home: Home) -> str:
    """Keeps a function or a HyperModel in the home, and returns the name that stands for it."""
    if not callable(space) and not hasattr(space, "build") and not hasattr(space, "hypermodel"):
        raise SettingError(
            "space must be a name such as 'residual', 'package.module:Name', a function build(hp) or a HyperModel, but "
            f"got {type(space).__name__}"
        )
    sent = pack(space, "space")
    keep(sent, home.spaces)
    return sent.name


def _additions(data: ImageDataset, added: Additions, given: dict[str, Any], home: Home) -> dict[str, Any]:
    """Keeps callbacks, metrics and augmentation in the home, and returns the settings that take them."""
    check_callbacks(added.callbacks)
    view = data.training_view()
    labels = view.labels("validation")
    check_metrics(added.metrics, data.task, labels, label_frequencies(data.task, labels, view.spec().outputs))
    settings: dict[str, Any] = {}
    if added.augmentation is not None:
        settings = _own_augmentation(given)
    sent = pack(added, "callbacks, metrics or augmentation", "additions")
    keep(sent, home.spaces)
    return {**settings, "additions": sent.name}


def _own_augmentation(given: dict[str, Any]) -> dict[str, Any]:
    """Returns the settings under which an augmentation of the user's takes the place of ours."""
    space, recipe = given.get("space", "convnet"), given.get("recipe")
    if ":" in space and recipe is None:
        raise SettingError(
            "augmentation needs a space that ships or recipe='standard', since a model of your own is trained by its "
            "own code; put the layer into the model"
        )
    parameter = "recipe/augmentation" if ":" in space else "augmentation"
    fixed, narrowed = dict(given.get("fix") or {}), given.get("narrow") or {}
    if parameter in fixed or parameter in narrowed or SPACES.get(space, _OWN).publication is not None:
        return {}
    return {"fix": {**fixed, parameter: "none"}}


def _searched(
    data: ImageDataset, settings: SearchSettings, home: Home, display: Display, *, reference: bool
) -> SearchResult:
    import_optuna_quietly()
    from ..search.engine.launch import run
    from ..search.engine.planning import prepare
    from ..search.engine.reference import train_reference

    if reference:
        prepare(data, settings, home)
        trained = train_reference(data, settings, home=home, display=display)
        if trained is not None and trained.stopped:
            return trained
    result = run(data, settings, home=home, display=display)
    display.say(outcome_line(result, stopped="Ended at {}."))
    return result


def _tell_findings(result: SearchResult, home: Home, display: Display) -> None:
    _, findings = judged(result, home)
    for line in findings.lines() if findings else ():
        display.say(line)


def _home(folder: str | Path | None, study: str | Study | None, storage: Any) -> Home:
    if isinstance(study, Study):
        if folder is not None:
            raise SettingError("home is that of the study here; leave it out, or name the study by its name")
        return study.home
    return home_in(folder, storage)


def _settings(given: dict[str, Any], study: str | Study | None, preset: str | None, home: Home) -> SearchSettings:
    refuse_unknown(given, SearchSettings, others=_OF_TUNE)
    values: dict[str, Any] = {}
    if study is not None:
        values = {**_last_settings(home, _study_name(study)), "study": _study_name(study)}
    values |= preset_settings(preset)
    return settings_from(SearchSettings, values | given)


def _study_name(study: str | Study) -> str:
    return study.name if isinstance(study, Study) else study


def _last_settings(home: Home, name: str) -> dict[str, Any]:
    """Returns the settings of a study's last search, as far as it is known here; none of a study that is to be made."""
    import_optuna_quietly()
    from ..search.results import read_study
    from ..search.tracking.outbox import last_search

    try:
        definition = read_study(home, name).definition
    except StudyError:
        return {}
    recorded = last_search(home.study_folder(name) / "outbox.jsonl")
    known = declarations(SearchSettings)
    values = {
        key: _value(text, known[key].alternatives)
        for key, text in recorded.items()
        if key in known and key not in _OF_ONE_SEARCH
    }
    objectives = tuple(name for name, _ in definition.objectives)
    fixed: dict[str, Any] = {
        "space": definition.space,
        "epochs": definition.epochs,
        "folds": definition.folds,
        "repeats": definition.repeats,
        "recipe": definition.recipe,
        "space_options": dict(definition.space_options),
    }
    if len(objectives) == 1 and "objective" not in values:
        fixed["objective"] = objectives[0]
    # A setting that was None is not among the recorded ones.
    nothing = {"patience": None, "seed": None} if recorded else {}
    return {**{key: value for key, value in nothing.items() if key not in recorded}, **fixed, **values}


def _value(text: str, alternatives: Sequence[Any]) -> Any:
    """Returns a recorded setting's value; a list of names is recorded as JSON, one name as it is."""
    if str not in alternatives:
        return json.loads(text)
    return json.loads(text) if len(alternatives) > 2 and text.startswith("[") else text


_OWN = Entry("", "A space of the user's own.")
_OF_TUNE = ("callbacks", "metrics", "augmentation", "preset", "reference", "quiet", "home", "on_trial_end")


def _with_every_setting() -> inspect.Signature:
    """Returns the signature that help and completion show: all settings by name, instead of `settings`."""
    plain = inspect.signature(tune)
    own = [p for p in plain.parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
    named = {p.name for p in own}
    more = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=one.default, annotation=one.type)
        for name, one in declarations(SearchSettings).items()
        if name not in named
    ]
    return plain.replace(parameters=[*own, *more])


tune.__signature__ = _with_every_setting()  # type: ignore[attr-defined]  # read by inspect, and so by help
