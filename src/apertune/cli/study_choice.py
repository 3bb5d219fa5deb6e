"""One way to name studies for every command: by a study's name, or by the data set that it searched."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from ..errors import StudyError

if TYPE_CHECKING:
    from ..search.results import StudyResult
    from ..search.settings import Home

_SHOWN_NAMES = 20


def one_study(home: Home, word: str, *, clear: Callable[[StudyResult], bool] | None = None) -> StudyResult:
    """Returns the study of that name, or the only one of the data set of that name.

    Args:
        home: Where studies are.
        word: The name of a study or a data set.
        clear: Tells which study of a data set is meant where only one of several is so; by default the one that is a
            search rather than a published network.

    Raises:
        StudyError: There is none, or there are several; the message lists them.
    """
    from ..search.results import is_reference, read_studies, read_study
    from ..search.studies.opening import study_names
    from ..search.studies.storage.storage import open_to_read

    if word in study_names(open_to_read(home)):
        return read_study(home, word)
    every = read_studies(home)
    found = [study for study in every if study.definition.dataset == word]
    if not found:
        raise unknown(home, word, every)
    if len(found) == 1:
        return found[0]
    meant = [study for study in found if (clear(study) if clear else not is_reference(study))]
    if len(meant) == 1:
        return meant[0]
    names = ", ".join(study.name for study in meant or found)
    raise StudyError(f"data set '{word}' has {len(meant or found)} studies; name one of them: {names}")


def studies_of(home: Home, every: Sequence[StudyResult], word: str, name: str | None) -> list[StudyResult]:
    """Returns all studies of a data set, or one study.

    Args:
        home: Where studies are, for the message.
        every: All studies.
        word: The name of a data set or a study; a data set's comes first.
        name: The name of the one study of the data set that is meant.

    Raises:
        StudyError: There is none; the message lists what there is.
    """
    found = [study for study in every if study.definition.dataset == word]
    by_name = {study.name: study for study in every}
    if not found and word in by_name and name in (None, word):
        return [by_name[word]]
    if not found and word in by_name:
        raise StudyError(f"'{word}' is a study already; leave out --study {name}, or name it alone")
    if not found:
        raise unknown(home, word, every)
    if name is None:
        return found
    if name not in by_name:
        have = ", ".join(study.name for study in found)
        raise StudyError(f"no study of data set '{word}' is called '{name}'; {_near(name, by_name)}: {have}")
    if by_name[name].definition.dataset != word:
        raise StudyError(f"study '{name}' is of data set '{by_name[name].definition.dataset}', not of '{word}'")
    return [by_name[name]]


def unknown(home: Home, word: str, every: Sequence[StudyResult]) -> StudyError:
    """Returns the error about a name that neither a study nor a data set has."""
    if not every:
        return StudyError(no_studies(home))
    names = {name for study in every for name in (study.name, study.definition.dataset)}
    listed = ", ".join(map(_with_dataset, every[:_SHOWN_NAMES]))
    more = f" and {len(every) - _SHOWN_NAMES} more" if len(every) > _SHOWN_NAMES else ""
    return StudyError(f"no study or data set is called '{word}' in {place(home)}; {_near(word, names)}: {listed}{more}")


def no_studies(home: Home) -> str:
    """Returns the line about a place without studies, which is often the wrong one."""
    way = "change to the folder where the search was started" if home.studies_file else "name another with --storage"
    return f"no studies in {place(home)}; {way}, or start one with: apertune search DATASET"


def place(home: Home) -> str:
    """Returns the folder or the database of the studies, as a line may show it."""
    from ..text import hidden_address

    return str(home.root) if home.studies_file else hidden_address(home.storage)


def _near(word: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, sorted(known), n=1)
    return f"did you mean '{near[0]}'? There are" if near else "there are"


def _with_dataset(study: StudyResult) -> str:
    dataset = study.definition.dataset
    return study.name if study.name.startswith(dataset) else f"{study.name} (of {dataset})"
