"""The data of commands that go on with a study: as typed now, or else as the search was told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..errors import StudyError, UnknownNameError
from .dataset_options import data_declarations
from .next_steps import command, data_words, holds_password
from .setting_options import given_flags
from .study_choice import unknown

if TYPE_CHECKING:
    from ..search.settings import Home
    from ..search.studies.data_source import DataSource


def keep_data(home: Home, study: str, dataset: str, given: Mapping[str, Any]) -> DataSource:
    """Keeps beside a study the words that opened its data, unless they hold a password; returns them.

    Args:
        home: Where the study is.
        study: The study's name.
        dataset: The data set as the command names it.
        given: The values of the data set's flags, by the flag's Python name.
    """
    from ..search.studies.data_source import DataSource, note_source

    source = DataSource(dataset, _of_data(given))
    if not holds_password(source):
        note_source(home.study_folder(study), source)
    return source


def recorded_data(home: Home, word: str, given: Mapping[str, Any], study: str | None) -> tuple[DataSource, str | None]:
    """Returns the words that open the data a command is about, and the study where that is clear.

    Args:
        home: Where studies are.
        word: An adapter, as for a search; or a study or a data set, whose search was told where its data are.
        given: The values of the data set's flags as they were typed now; they win.
        study: The study that was named by a flag, if any.

    Raises:
        StudyError: The word is none of these, or studies of the data set were made with different flags.
    """
    from ..datasets.adapters.registry import all_adapters
    from ..search.results import read_studies
    from ..search.studies.data_source import DataSource, read_source

    typed = _of_data(given)
    is_adapter = word in all_adapters()
    if is_adapter and typed:
        return DataSource(word, typed), study
    every = read_studies(home) if not is_adapter else read_studies(home, word)
    found = [one for one in every if word in (one.name, one.definition.dataset)]
    if study is not None:
        found = [one for one in found if one.name == study] or found
    if not found:
        if is_adapter:
            return DataSource(word, typed), study
        if typed:
            raise UnknownNameError("data set", word, all_adapters())
        raise unknown(home, word, every)
    exact = [one for one in found if one.name == word and not is_adapter]
    sources = {one.name: read_source(home.study_folder(one.name)) for one in exact or found}
    if is_adapter and any(source is None or not source.flags for source in sources.values()):
        return DataSource(word), study
    for one in exact or found:
        # A study that was made in Python, or before words were kept, may be of a data set that needs none.
        if sources[one.name] is None and one.definition.dataset in all_adapters():
            sources[one.name] = DataSource(one.definition.dataset)
    known = {name: source for name, source in sources.items() if source is not None}
    if not known:
        raise StudyError(
            f"it is not known where the data of '{word}' are; name them as for the search: "
            f"{command('search')} DATASET with its flags"
        )
    first = next(iter(known.values()))
    if any(source != first for source in known.values()):
        raise _different(word, known)
    return DataSource(first.dataset, {**first.flags, **typed}), study or (exact[0].name if exact else None)


def _of_data(given: Mapping[str, Any]) -> dict[str, Any]:
    known = data_declarations()
    return {name: value for name, value in given_flags(given).items() if name in known}


def _different(word: str, known: Mapping[str, DataSource]) -> StudyError:
    listed = "; ".join(f"{name}: {' '.join(data_words(source))}" for name, source in known.items())
    return StudyError(f"the studies of '{word}' read different data; name one of them instead: {listed}")
