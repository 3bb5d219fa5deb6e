"""A function for each command that is not a method of a study alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import SettingError, StudyError
from ..quiet import import_optuna_quietly
from ..search.settings import Home
from .arguments import home_in
from .study import Study

if TYPE_CHECKING:
    import pandas as pd

    from ..datasets.base import ImageDataset
    from ..search.engine.rerunning import Rerun
    from ..search.promotion.registration import Rollback


class Comparison:
    """Chosen trials side by side, with a test of each pair; a page in a notebook.

    Args:
        comparison: What `compare_trials` found.
    """

    def __init__(self, comparison: Any) -> None:
        self._comparison = comparison

    def __repr__(self) -> str:
        return f"<Comparison of {', '.join(self._comparison.labels)}>"

    @property
    def parameters(self) -> pd.DataFrame:
        """The hyperparameters, those that differ first: a column per trial."""
        import pandas as pd

        rows = {row.name: [*row.values, row.differs] for row in self._comparison.parameters}
        columns = [*self._comparison.labels, "differs"]
        table: pd.DataFrame = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
        return table

    @property
    def pairs(self) -> pd.DataFrame:
        """The test of each pair: its difference, p-value and whether it is real."""
        from dataclasses import asdict

        import pandas as pd

        labels = self._comparison.labels
        rows = [
            {**asdict(pair), "first": labels[pair.first], "second": labels[pair.second], "real": pair.real}
            for pair in self._comparison.pairs
        ]
        table: pd.DataFrame = pd.DataFrame(rows)
        return table

    def write(self, output: str | Path) -> Path:
        """Writes the comparison as one HTML page that works without a network, and returns its path.

        Args:
            output: The file.

        Example:
            >>> apertune.compare(study, [0, 1]).write("comparison.html").name
            'comparison.html'
        """
        from ..search.reports.trial_comparison import write_comparison

        return write_comparison(self._comparison, Path(output))

    def _repr_html_(self) -> str:
        shown = "{:.4g}".format
        parameters = self.parameters.to_html(float_format=shown, border=0)
        return f"<div>{parameters}{self.pairs.to_html(float_format=shown, border=0, index=False)}</div>"


def compare(what: str | Study, trials: Sequence[int | str] | None = None, *, home: str | Path | None = None) -> Any:
    """Compares the trials of a data set or of a study.

    Args:
        what: The name of a data set, or a study.
        trials: Trials to put side by side and to test against each other, by number, or as "STUDY:NUMBER".
        home: The folder of studies and results; `mlflow` in the working directory unless given.

    Returns:
        Without `trials`, a table of all trials of the latest study that agrees in data and objectives, best first, with
        95 % intervals. With them, a `Comparison`.

    Raises:
        StudyError: There is no such data set, study or trial.

    Example:
        >>> apertune.compare("digits")["number"].size
        2
        >>> apertune.compare(study, [0, 1]).pairs["first"].tolist()
        ['0']
    """
    from ..cli.compare import latest_document
    from ..cli.compare_chosen import chosen_trials
    from ..cli.study_choice import studies_of
    from ..search.reports.trial_comparison import choose_trials, compare_trials
    from ..search.results import read_studies

    place = what.home if isinstance(what, Study) else _home(home)
    dataset, name = (what.dataset, what.name) if isinstance(what, Study) else (what, None)
    every = read_studies(place)
    chosen = studies_of(place, every, dataset, name)
    dataset = chosen[0].definition.dataset
    if trials is None:
        return _table(latest_document(place, dataset, chosen))
    of_dataset = [result for result in every if result.definition.dataset == dataset]
    return Comparison(
        compare_trials(place, choose_trials(chosen_trials(of_dataset, chosen, ",".join(map(str, trials)))))
    )


def _table(document: dict[str, Any]) -> pd.DataFrame:
    import pandas as pd

    columns = ("study", "number", "state", "value", "interval", "tied_with_best", "epochs", "seconds", "run_id")
    rows = [
        {
            **{name: trial[name] for name in columns if name in trial},
            **trial.get("values", {}),
            **{f"params_{name}": value for name, value in trial["params"].items()},
        }
        for trial in document["trials"]
    ]
    table: pd.DataFrame = pd.DataFrame(rows)
    return table


def studies(*, home: str | Path | None = None, storage: str | None = None) -> pd.DataFrame:
    """Lists the studies.

    Args:
        home: The folder of studies and results; `mlflow` in the working directory unless given.
        storage: The Optuna storage URL of the studies.

    Returns:
        A row per study: its data set, space, objective, best value, trials and whether it is running.

    Example:
        >>> "digits-convnet" in apertune.studies()["study"].tolist()
        True
    """
    import pandas as pd

    from ..cli.studies import study_document
    from ..search.results import read_studies

    columns = ["study", "dataset", "space", "objective", "direction", "best", "finished", "target", "running"]
    documents = [study_document(result) for result in read_studies(_home(home, storage))]
    rows = [
        {
            **document,
            "best": None if document["best"] is None else document["best"]["value"],
            "running": document["owner"] is not None,
        }
        for document in documents
    ]
    table: pd.DataFrame = pd.DataFrame(rows, columns=columns)
    return table


def status(study: str | Study, *, home: str | Path | None = None) -> dict[str, Any]:
    """Returns the state of a study and its running trials; see `Study.status`.

    Args:
        study: A study, or its name.
        home: The folder of studies and results.

    Example:
        >>> apertune.status("digits-convnet")["states"]
        {'complete': 2}
    """
    return _study(study, home).status()


def report(study: str | Study, output: str | Path | None = None, *, home: str | Path | None = None) -> Path:
    """Writes a study as one HTML page that works without a network; see `Study.report`.

    Args:
        study: A study, or its name.
        output: The file; NAME-report.html in the working directory unless given.
        home: The folder of studies and results.

    Example:
        >>> apertune.report("digits-convnet", "page.html").name
        'page.html'
    """
    return _study(study, home).report(output)


def rollback(dataset: str, *, home: str | Path | None = None) -> Rollback:
    """Makes the champion before the present one the champion again.

    Args:
        dataset: The name that the model is registered for.
        home: The folder of studies and results.

    Returns:
        The versions before and after.

    Raises:
        StudyError: There is no champion, or there was none before it.

    Example:
        >>> apertune.rollback("nothing")
        Traceback (most recent call last):
        ...
        apertune.errors.StudyError: nothing has no champion to roll back; make one with: study.promote()
    """
    from ..search.promotion import rollback as move_back

    return move_back(_home(home), dataset)


def rerun(data: ImageDataset, run_id: str, *, home: str | Path | None = None, quiet: bool = False) -> Rerun:
    """Trains the trial of an MLflow run again, and compares its numbers with those recorded; nothing is logged.

    Args:
        data: The data set that it was trained on.
        run_id: The trial's run in MLflow.
        home: The folder of studies and results.
        quiet: Show nothing.

    Returns:
        The recorded numbers and those that came out this time.

    Raises:
        StudyError: The run is no trial, is not known, or was made with other data.

    Example:
        >>> apertune.rerun(data, "0" * 32)
        Traceback (most recent call last):
        ...
        apertune.errors.StudyError: MLflow has no run '000...'; apertune.compare(NAME) shows the runs of trials
    """
    from ..search.engine.rerunning import rerun as train_again
    from .displays import shown

    with shown("training", quiet=quiet) as display:
        return train_again(data, run_id, home=_home(home), say=display.say)


def audit(data: ImageDataset, *, labels: bool = False, output: str | Path | None = None) -> pd.DataFrame:
    """Finds faults in a data set: repeated and constant images, leaks, contradicting labels, absent classes.

    Load the data with `skip_bad=True` to have unreadable files among the findings instead of an error.

    Args:
        data: The data set.
        labels: Look for wrong labels, too, with a quick model.
        output: An HTML file to write, with the pictures of each finding side by side.

    Returns:
        A row per finding: its kind, files, splits, labels and a suggestion.

    Example:
        >>> apertune.audit(data)["kind"].tolist()
        []
    """
    from dataclasses import asdict

    import pandas as pd

    from ..datasets.audit.auditing import audit as audit_dataset
    from ..datasets.audit.findings_page import findings_page
    from ..wording import worded

    findings = audit_dataset(data, labels=labels)
    if output is not None:
        Path(output).parent.mkdir(parents=True, exist_ok=True)
        Path(output).write_text(findings_page(data, findings), encoding="utf-8")
    columns = ["kind", "files", "splits", "labels", "missing_from", "suggestion"]
    rows = [{**asdict(finding), "suggestion": worded(finding.suggestion)} for finding in findings]
    table: pd.DataFrame = pd.DataFrame(rows, columns=columns)
    return table


def describe(data: ImageDataset, output: str | Path | None = None) -> dict[str, Any]:
    """Counts the images of a data set per class and split.

    Args:
        data: The data set.
        output: An HTML file to write, with plots.

    Returns:
        The facts, as `apertune datasets describe --json` prints them.

    Example:
        >>> apertune.describe(data)["images"]
        {'train': 1258, 'validation': 270, 'test': 269}
    """
    from ..datasets.audit.description import describe as count
    from ..datasets.audit.description import page

    facts = count(data)
    if output is not None:
        Path(output).parent.mkdir(parents=True, exist_ok=True)
        Path(output).write_text(page(data, facts), encoding="utf-8")
    return facts


def sync(*, home: str | Path | None = None) -> int:
    """Sends MLflow the results that it could not take before.

    Args:
        home: The folder of studies and results.

    Returns:
        Bytes that are still waiting; 0 when MLflow has everything.

    Example:
        >>> apertune.sync()
        0
    """
    from ..cli.studies import send_waiting
    from .displays import shown

    with shown(quiet=False) as display:
        return sum(send_waiting(_home(home), display.say).values())


def fetch_space(run_id: str, *, home: str | Path | None = None) -> list[Path]:
    """Fetches from MLflow the code that a search was sent from Python, so that it can be used here.

    The code runs when it is used: fetch only that of people whom you trust. It is kept in `mlflow/spaces`, with its
    source as a text.

    Args:
        run_id: The run of a search, or of one of its trials.
        home: The folder of results.

    Returns:
        The files that were fetched.

    Raises:
        StudyError: MLflow has no such run, or its search was sent nothing.

    Example:
        >>> apertune.fetch_space(study.trials_dataframe()["run_id"][0])
        Traceback (most recent call last):
        ...
        apertune.errors.StudyError: the search of run ... was sent nothing from Python; its space is 'convnet'
    """
    import shutil

    from ..files.scratch import scratch_folder
    from ..search.tracking.mlflow_store import fetch_run_file, read_run
    from ..search.tracking.records import PARENT_TAG, SENT_FILES, SPACE_TAG
    from ..spaces.foreign.sent import folder_of, is_sent

    place = _home(home)
    tags = read_run(run_id, place.tracking_uri).tags
    search_run = tags.get(PARENT_TAG, run_id)
    params = read_run(search_run, place.tracking_uri).params
    names = [name for name in (tags.get(SPACE_TAG, ""), params.get("additions", "")) if is_sent(name)]
    if not names:
        raise StudyError(
            f"the search of run {run_id} was sent nothing from Python; its space is '{tags.get(SPACE_TAG, '')}'"
        )
    fetched = []
    with scratch_folder("space") as scratch:
        files = fetch_run_file(search_run, SENT_FILES, place.tracking_uri, scratch)
        for name in names:
            target = folder_of(name, place.spaces)
            target.mkdir(parents=True, exist_ok=True)
            for file in sorted(files.glob(f"{name.partition(':')[2]}.*")):
                fetched.append(Path(shutil.copy(file, target)))
    return fetched


def list_spaces() -> pd.DataFrame:
    """Lists the search spaces that ship.

    Returns:
        A row per space: what it holds, and the options that it takes.

    Example:
        >>> "convnet" in apertune.list_spaces().index
        True
    """
    import pandas as pd

    from ..spaces.registry import SPACES

    rows = {name: {"summary": entry.summary, "options": ", ".join(entry.options)} for name, entry in SPACES.items()}
    table: pd.DataFrame = pd.DataFrame.from_dict(rows, orient="index")
    return table


def _home(folder: str | Path | None, storage: str | None = None) -> Home:
    import_optuna_quietly()
    return home_in(folder, storage)


def _study(study: str | Study, home: str | Path | None) -> Study:
    if isinstance(study, Study):
        return study
    if not isinstance(study, str):
        raise SettingError(f"study must be a study or its name, but got {type(study).__name__}")
    return Study(study, _home(home))
