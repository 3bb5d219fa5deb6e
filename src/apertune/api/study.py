"""A study in Python: its trials, its best model, its figures, and all that comes after a search."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..cli.output import print_line
from ..errors import SettingError, StudyError
from ..quiet import import_optuna_quietly
from ..search.promotion.settings import PromotionSettings
from ..search.settings import Home
from ..spaces.foreign.sent import look_in
from .arguments import home_in, part_of, refuse_unknown, settings_from
from .displays import shown
from .model import Champion, Model

if TYPE_CHECKING:
    import keras
    import pandas as pd
    import plotly.graph_objects as go

    from ..datasets.base import ImageDataset
    from ..search.engine.rerunning import Rerun
    from ..search.export.exporting import ExportReport
    from ..search.results import StudyResult
    from ..search.studies.trial_records import TrialRecord
    from ..spaces.search_space.parameters import Value, Values


class Study:
    """A study as it stands; it is read anew each time that it is asked for something.

    Args:
        name: The study's name.
        home: Where studies and results are.
        data: The data set that it was made with, for promotion and reruns; it may be given there, too.
    """

    def __init__(self, name: str, home: Home, data: ImageDataset | None = None) -> None:
        self.name = name
        self.home = home
        self.data = data
        look_in(home.spaces)

    def __repr__(self) -> str:
        result = self._read()
        best = result.complete()
        value = f"; best {result.definition.objective} {best[0].value:.4f}" if best else ""
        return f"<Study {self.name}: {result.finished} of {result.target} trials{value}>"

    def _repr_html_(self) -> str:
        from .study_page import study_page

        return study_page(self.home, self._read())

    @property
    def trials(self) -> tuple[TrialRecord, ...]:
        """All trials by number."""
        return self._read().trials

    @property
    def best(self) -> TrialRecord:
        """The best complete trial.

        Raises:
            StudyError: No trial is complete yet.
        """
        return self._complete()[0]

    @property
    def best_params(self) -> Values:
        """The hyperparameters of the best trial, by name.

        Example:
            >>> "optimizer" in study.best_params
            True
        """
        return dict(self.best.params)

    @property
    def best_value(self) -> float:
        """The best trial's objective on the validation images."""
        value = self.best.value
        assert value is not None
        return value

    @property
    def dataset(self) -> str:
        """The name of the data set."""
        return self._read().definition.dataset

    @property
    def space(self) -> str:
        """The name of the space."""
        return self._read().definition.space

    @property
    def objective(self) -> str:
        """The name of the first objective."""
        return self._read().definition.objective

    @property
    def direction(self) -> str:
        """The direction of the first objective: "maximize" or "minimize"."""
        return self._read().definition.direction.value

    def trials_dataframe(self) -> pd.DataFrame:
        """Returns all trials as a table, as Optuna's method of this name does.

        Returns:
            A row per trial: number, value, state, `params_*`, `metrics_*`, `cost_*`, epochs, seconds, parameters of the
            network, the reason of its end and its MLflow run.

        Example:
            >>> study.trials_dataframe()["state"].tolist()
            ['complete', 'complete']
        """
        import pandas as pd

        result = self._read()
        rows = [
            {
                "number": trial.number,
                "value": trial.value,
                "state": trial.state,
                **_prefixed("params", trial.params),
                **_prefixed("metrics", trial.metrics),
                **_prefixed("cost", trial.cost),
                "epochs": trial.epochs,
                "best_epoch": trial.best_epoch,
                "seconds": trial.seconds,
                "parameters": trial.parameters,
                "reason": trial.reason,
                "run_id": result.run_ids.get(trial.number),
            }
            for trial in result.trials
        ]
        table: pd.DataFrame = pd.DataFrame(rows)
        return table

    def results_summary(self, num_trials: int = 10) -> None:
        """Prints the best trials with their hyperparameters, as KerasTuner's method of this name does.

        Args:
            num_trials: Show this many.

        Example:
            >>> study.results_summary(1)  # doctest: +ELLIPSIS
            Study digits-convnet: ...
        """
        result = self._read()
        objective, direction = result.definition.objective, result.definition.direction.value
        print_line(f"Study {self.name}: {result.finished} of {result.target} trials; {objective}, {direction}")
        for trial in result.complete()[:num_trials]:
            print_line("")
            print_line(f"Trial {trial.number}: {objective} {trial.value:.4f} after {trial.epochs} epochs")
            for name, value in trial.params.items():
                print_line(f"  {name}: {value}")

    def model(self, trial: int | None = None) -> Model:
        """Returns the model of a trial, which predicts and exports.

        Args:
            trial: The trial's number; the best one unless given.

        Raises:
            StudyError: There is no such complete trial, or MLflow does not have it yet.

        Example:
            >>> study.model().classes[:3]
            ('0', '1', '2')
        """
        number = self.best.number if trial is None else self._trial(trial).number
        return Model(f"runs:/{self._run_id(number)}/model", self.home, self.space)

    def best_model(self) -> keras.Model:
        """Returns the best trial's network as a Keras model: uint8 pixels in, probabilities out.

        Raises:
            StudyError: No trial is complete yet.
            ModelError: The model was not kept, or is damaged.

        Example:
            >>> study.best_model().output_shape
            (None, 10)
        """
        return self.model().keras()

    def get_best_models(self, num_models: int = 1) -> list[keras.Model]:
        """Returns the networks of the best trials, best first, as KerasTuner's method of this name does.

        Args:
            num_models: The number of networks.

        Raises:
            StudyError: No trial is complete yet.
            ModelError: A model was not kept, or is damaged.

        Example:
            >>> len(study.get_best_models(2))
            2
        """
        return [self.model(trial.number).keras() for trial in self._complete()[:num_models]]

    def plot_history(self) -> go.Figure:
        """Draws the objective of each trial, and the best so far.

        Raises:
            StudyError: No trial is complete yet.

        Example:
            >>> type(study.plot_history()).__name__
            'Figure'
        """
        return self._figure("History")

    def plot_importances(self) -> go.Figure:
        """Draws the importance of each hyperparameter.

        Raises:
            StudyError: There are too few complete trials.

        Example:
            >>> study.plot_importances()
            Traceback (most recent call last):
            ...
            apertune.errors.StudyError: study 'digits-convnet' has too few complete trials for this figure, which ...
        """
        return self._figure("Importance")

    def plot_parallel_coordinate(self) -> go.Figure:
        """Draws each trial as a line across its hyperparameters.

        Raises:
            StudyError: There are too few complete trials.

        Example:
            >>> study.plot_parallel_coordinate()
            Traceback (most recent call last):
            ...
            apertune.errors.StudyError: study 'digits-convnet' has too few complete trials for this figure, which ...
        """
        return self._figure("Parallel coordinate")

    def plot_slice(self) -> go.Figure:
        """Draws the objective over each hyperparameter.

        Raises:
            StudyError: There are too few complete trials.

        Example:
            >>> study.plot_slice()
            Traceback (most recent call last):
            ...
            apertune.errors.StudyError: study 'digits-convnet' has too few complete trials for this figure, which ...
        """
        return self._figure("Slice")

    def plot_curves(self, trials: int = 5) -> go.Figure:
        """Draws the objective over the epochs of the best trials.

        Args:
            trials: The number of trials.

        Raises:
            StudyError: No trial is complete yet.

        Example:
            >>> len(study.plot_curves(2).data)
            2
        """
        from ..search.reports.figures import curves_figure

        return curves_figure(self.home, self.name, trials)

    def plot_confusion(self, trial: int | None = None) -> go.Figure:
        """Draws a trial's confusion matrix on the validation images.

        Args:
            trial: The trial's number; the best one unless given.

        Raises:
            StudyError: There is no such trial, or an image carries several labels.

        Example:
            >>> study.plot_confusion().data[0].x[:3]
            ('0', '1', '2')
        """
        from ..search.reports.figures import confusion_figure

        number = None if trial is None else self._trial(trial).number
        return confusion_figure(self.home, self.name, number, self.data.classes if self.data else ())

    def report(self, output: str | Path | None = None) -> Path:
        """Writes the study as one HTML page that works without a network.

        A line on standard error tells of parts that MLflow does not have.

        Args:
            output: The file; NAME-report.html in the working directory unless given.

        Returns:
            The page.

        Example:
            >>> study.report("report.html").name
            'report.html'
        """
        from ..cli.report import tell_missing
        from ..search.reports.sources import write_study_report

        target = Path(output or f"{self.name.replace('/', '_')}-report.html")
        tell_missing(write_study_report(self.home, self.name, target))
        return target

    def status(self) -> dict[str, Any]:
        """Returns the state of the study and its running trials, as `apertune status --json` prints it.

        Example:
            >>> study.status()["finished"]
            2
        """
        from ..cli.studies import study_document

        return study_document(self._read())

    def promote(
        self, data: ImageDataset | None = None, *, seeds: int | None = None, quiet: bool = False, **settings: Any
    ) -> Champion:
        """Confirms the best trials over fresh seeds, opens the test images once, and registers the winner.

        Args:
            data: The data set; the one that the study was tuned with unless given.
            seeds: Trainings of each of the best trials; 3 unless given.
            quiet: Show nothing.
            settings: Further fields of `apertune.search.PromotionSettings`, such as `top`, `refit`, `threshold` and
                `minimums`, and of `apertune.search.PlaceSettings`, such as `workers`.

        Returns:
            The registered model, which predicts and exports.

        Raises:
            SettingError: An argument is unknown or wrong.
            StudyError: The study was made with other data, or has no complete trial.
            ApertuneError: The best model is no better than chance, or the work failed.

        Example:
            >>> champion = study.promote(seeds=1, workers=1, quiet=True)
            >>> champion.predict(data.images[:1]).shape
            (1,)
        """
        from ..search.executors.choosing import check_places
        from ..search.executors.places import PlaceSettings
        from ..search.promotion import promote

        if seeds is not None:
            settings = {"seeds": seeds, **settings}
        refuse_unknown(settings, PromotionSettings, PlaceSettings)
        made = settings_from(PromotionSettings, {**part_of(PromotionSettings, settings), "study": self.name})
        places = settings_from(PlaceSettings, part_of(PlaceSettings, settings))
        check_places(places)
        self._send_waiting()
        with shown("training", quiet=quiet) as display:
            outcome = promote(
                self._data(data), made, home=self.home, say=display.say, places=places, show=display.update
            )
        return Champion(outcome, self.home, self.space)

    def predict(self, images: Any, **settings: Any) -> Any:
        """Names what images show, by the best trial's model; see `Model.predict`.

        Args:
            images: Files, a folder, or pixels.
            settings: Those of `Model.predict`.

        Example:
            >>> study.predict(data.images[:3]).shape
            (3,)
        """
        return self.model().predict(images, **settings)

    def export(self, folder: str | Path, formats: Sequence[str] | None = None, **settings: Any) -> ExportReport:
        """Writes the best trial's model for other runtimes; see `Model.export`.

        Args:
            folder: The folder to make; it must not exist.
            formats: Some of "keras", "saved_model", "onnx" and "litert"; all of them unless given.
            settings: Those of `Model.export`.

        Example:
            >>> [row.file for row in study.export("files", formats=["keras"]).rows]
            ['model.keras']
        """
        return self.model().export(folder, formats, **settings)

    def rerun(self, trial: int | None = None, data: ImageDataset | None = None, *, quiet: bool = False) -> Rerun:
        """Trains a trial again from its record in MLflow, and compares its numbers; nothing is logged.

        Args:
            trial: The trial's number; the best one unless given.
            data: The data set; the one that the study was tuned with unless given.
            quiet: Show nothing.

        Returns:
            The recorded numbers and those that came out this time.

        Example:
            >>> study.rerun(quiet=True).largest_difference < 0.5
            True
        """
        from ..search.engine.rerunning import rerun

        number = self.best.number if trial is None else self._trial(trial).number
        run_id = self._run_id(number)
        with shown("training", quiet=quiet) as display:
            return rerun(self._data(data), run_id, home=self.home, say=display.say)

    def stop(self) -> None:
        """Asks the search that works on the study, in another process, to end after its running epochs.

        Raises:
            StudyError: No search works on it.

        Example:
            >>> study.stop()
            Traceback (most recent call last):
            ...
            apertune.errors.StudyError: study 'digits-convnet' is not being searched; nothing to stop
        """
        if self._read().owner is None:
            raise StudyError(f"study '{self.name}' is not being searched; nothing to stop")
        self.home.ask_to_stop(self.name)

    def _read(self) -> StudyResult:
        import_optuna_quietly()
        from ..search.results import read_study

        return read_study(self.home, self.name)

    def _run_id(self, number: int) -> str:
        """Returns the MLflow run of a trial, after sending what still waits.

        Raises:
            StudyError: MLflow does not take it.
        """
        self._send_waiting()
        run_id = self._read().run_ids.get(number)
        if run_id is None:
            raise StudyError(f"trial {number} of '{self.name}' is not in MLflow yet; send it with: apertune sync")
        return run_id

    def _send_waiting(self) -> None:
        """Sends MLflow what a slow machine or server left when the search ended, unless another search does."""
        from ..cli.studies import send_waiting
        from ..search.tracking.outbox import unsent_bytes

        if unsent_bytes(self.home.study_folder(self.name) / "outbox.jsonl") and self._read().owner is None:
            send_waiting(self.home, lambda line: None)

    def _complete(self) -> list[TrialRecord]:
        complete = self._read().complete()
        if not complete:
            raise StudyError(f"study '{self.name}' has no complete trial yet")
        return complete

    def _trial(self, number: int) -> TrialRecord:
        complete = self._complete()
        for trial in complete:
            if trial.number == number:
                return trial
        known = ", ".join(str(known) for known in sorted(trial.number for trial in complete))
        raise StudyError(f"study '{self.name}' has no complete trial {number}; complete are: {known}")

    def _data(self, data: ImageDataset | None) -> ImageDataset:
        known = self.data if data is None else data
        if known is None:
            raise SettingError(f"data must be given, since study '{self.name}' was opened by its name")
        return known

    def _figure(self, title: str) -> go.Figure:
        from ..search.reports.figures import figure_of_study

        return figure_of_study(self.home, self.name, title)


def open_study(
    name: str, data: ImageDataset | None = None, *, home: str | Path | None = None, storage: str | None = None
) -> Study:
    """Opens a study again, another day or from another process.

    Args:
        name: The study's name; `apertune.studies()` lists them.
        data: The data set that it was made with, for promotion and reruns.
        home: The folder of studies and results; `mlflow` in the working directory unless given.
        storage: The Optuna storage URL of the studies; a file in that folder unless given.

    Returns:
        The study.

    Raises:
        StudyError: There is no study of that name; the message lists those there are.

    Example:
        >>> apertune.open_study("digits-convnet").dataset
        'digits'
    """
    found = Study(name, home_in(home, storage), data)
    found.trials  # noqa: B018  # raises now, not at the first use
    return found


def _prefixed(prefix: str, values: Any) -> dict[str, Value]:
    return {f"{prefix}_{name}": value for name, value in values.items()}
