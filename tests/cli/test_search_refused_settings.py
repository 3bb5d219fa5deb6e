"""Settings that `apertune search` refuses, from flags and from a file: one line, before anything is loaded."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from programs import REPOSITORY

from apertune.cli import cli
from apertune.cli.configuration import read_configuration
from apertune.cli.dataset_options import load_settings
from apertune.cli.search import file_settings, search, search_settings
from apertune.datasets import LoadSettings
from apertune.errors import SettingError, UserError
from apertune.search.executors import devices
from apertune.search.settings import LARGEST_SEED, SearchSettings
from apertune.settings_fields import declarations

# They say where settings come from and how results are printed, and are not settings themselves.
OF_THE_COMMAND = {"dataset", "config", "as_json"}


@pytest.fixture(autouse=True)
def nothing_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processors, no GPU, and a data set that must not be opened."""

    def loaded(*given: object, **named: object) -> None:
        raise AssertionError("the data set was opened")

    monkeypatch.setattr("apertune.datasets.load", loaded)
    monkeypatch.setattr(devices, "processors", lambda: 2)
    monkeypatch.setattr(devices, "gpus", list)
    monkeypatch.delenv("APERTUNE_STORAGE", raising=False)


def refusal(*words: str) -> str:
    """The one line with which a search is refused; it leaves nothing behind."""
    before = sorted(Path().iterdir())
    done = CliRunner().invoke(cli, ["search", "digits", *words])
    assert isinstance(done.exception, UserError), (done.output, done.exception)
    assert sorted(Path().iterdir()) == before
    line = str(done.exception)
    assert "\n" not in line
    return line


def refusal_of_file(text: str, *words: str) -> str:
    Path("x.toml").write_text(text)
    return refusal("--config", "x.toml", *words)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (
            "--workers 1000",
            "--workers must be at most 8 (4 per processor, and this machine has 2), but got 1000",
        ),
        ("--per-gpu 1000", "--per-gpu must be at most 8 (4 per processor, and this machine has 2), but got 1000"),
        ("--gpus 3", "--gpus names 3, but this machine shows no GPU; see nvidia-smi"),
        ("--gpus first", "--gpus must be all, none or numbers such as 0,1, but got 'first'"),
        ("--seed -1", f"--seed must be from 0 to {LARGEST_SEED}, but got -1"),
        ("--seed 4294967296", f"--seed must be from 0 to {LARGEST_SEED}, but got 4294967296"),
        ("--seed 99999999999999999999", f"--seed must be from 0 to {LARGEST_SEED}, but got 99999999999999999999"),
        ("--target-value nan", "--target-value must be a finite number, but got nan"),
        ("--hours inf", "--hours must be a finite number, but got inf"),
        ("--max-flops nan", "--max-flops must be a finite number, but got nan"),
        ("--fix blocks", "--fix must be NAME=VALUE, but got 'blocks'"),
        ("--sampler-option n_startup_trials=many", "--sampler guided: n_startup_trials must be a whole number"),
        ("--split abc", "--split must be three shares that sum to 1, such as 0.7/0.15/0.15, but got 'abc'"),
        ("--split 0.5/0.5", "--split must be three shares that sum to 1, such as 0.7/0.15/0.15, but got '0.5/0.5'"),
        ("--split nan/0.5/0.5", "--split must be a list of 3 finite numbers, but got (nan, 0.5, 0.5)"),
        ("--data-seed -1", "--data-seed must be from 0 to 4294967295, but got -1"),
        ("--channels 2", "--channels must be 1 or 3, but got 2"),
        ("--name a/b", "--name must be letters, digits, '_' and '-' (at most 61), but got 'a/b'"),
        ("--space :", "--space must be a name that 'apertune spaces list' shows, or package.module:Name, but got ':'"),
        (
            "--space a.b:",
            "--space must be a name that 'apertune spaces list' shows, or package.module:Name, but got 'a.b:'",
        ),
        ("--space convnett", "unknown space 'convnett'; did you mean 'convnet'? "),
        (
            "--storage sqlite:////nonexistent/x.db",
            "the folder of the studies' database is not there: /nonexistent; create it, or name another file with "
            "--storage",
        ),
        ("--storage sqlite:////", "the studies' database must be a file, but / is a folder"),
        ("--storage nonsense", "the storage must be a database URL such as sqlite:///studies.db"),
    ],
)
def test_a_wrong_flag_is_refused_at_the_door(words: str, line: str) -> None:
    """The line says what is wrong, what was given and what would be right; the data set is not opened."""
    assert refusal(*words.split()).startswith(line)


@pytest.mark.parametrize("uri", ["mlruns", "file:./mlruns", "htp://x", "ftp://x"])
def test_a_store_that_takes_nothing_is_refused_at_the_door(monkeypatch: pytest.MonkeyPatch, uri: str) -> None:
    """No trial is trained for a tracking store that cannot be: the line says so before the data set is opened."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert refusal().startswith("MLFLOW_TRACKING_URI must ")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("workers = 1.5", "workers must be a whole number, but got 1.5"),
        ('seed = "a"', "seed must be a whole number, but got 'a'"),
        ("seed = 1.5", "seed must be a whole number, but got 1.5"),
        ("objective = 5", "objective must be text or a list of texts, but got 5"),
        ("sampler-option = 3", "sampler-option must be NAME=VALUE, but got 3"),
        ('sampler-option = ["a"]', "sampler-option must be NAME=VALUE, but got 'a'"),
        ('target-value = "x"', "target-value must be a finite number, but got 'x'"),
        ("target-value = nan", "target-value must be a finite number, but got nan"),
        ("space = 5", "space must be text, but got 5"),
        ("trials = 2.5", "trials must be a whole number, but got 2.5"),
        ("trials = true", "trials must be a whole number, but got True"),
        ("patience = 2.5", "patience must be a whole number, but got 2.5"),
        ('mixed-precision = "yes"', "mixed-precision must be true or false, but got 'yes'"),
        ('hours = "x"', "hours must be a finite number, but got 'x'"),
        ('trials = "two"', "trials must be a whole number, but got 'two'"),
        ('max-parameters = "many"', "max-parameters must be a finite number, but got 'many'"),
        ('folds = "3"', "folds must be a whole number, but got '3'"),
        ('fix = "blocks"', "fix must be NAME=VALUE, but got 'blocks'"),
        ("[fix.blocks]\nleast = 1", "fix must be a table of names and values, but got {'blocks': {'least': 1}}"),
        ("gpus = 0\nworkers = 1", "gpus must be all, none or a list of GPUs such as [0, 1], but got 0"),
        ("gpus = [0.5]", "gpus must be a list of whole numbers, but got [0.5]"),
        ('split = "abc"', "split must be three shares that sum to 1, such as 0.7/0.15/0.15, but got 'abc'"),
        ("split = 0.7", "split must be three shares that sum to 1, such as 0.7/0.15/0.15, but got 0.7"),
        ('limit = "many"', "limit must be a whole number, but got 'many'"),
        ("data-seed = 1.5", "data-seed must be a whole number, but got 1.5"),
        ('channels = "3"', "channels must be 1 or 3, but got '3'"),
        ("resize = 3", "resize must be stretch, crop or pad, but got 3"),
        ('skip-bad = "yes"', "skip-bad must be true or false, but got 'yes'"),
        ('reference = "no"', "reference must be true or false, but got 'no'"),
        ('min-images = "few"', "min-images must be a whole number, but got 'few'"),
        ("all-images = 1", "all-images must be true or false, but got 1"),
        ("classes = 5", "classes must be text or a list of texts, but got 5"),
        ("data = 5", "data must be text, but got 5"),
        ("option = 5", "option must be NAME=VALUE, but got 5"),
    ],
)
def test_a_wrong_value_in_a_file_names_file_and_setting(text: str, line: str) -> None:
    """The line begins with the file and the setting as it stands there."""
    assert refusal_of_file(text) == f"x.toml: {line}"


def test_a_setting_of_a_file_is_called_as_its_flag() -> None:
    """The plural that the field has in Python is not known, and the flag's name is suggested."""
    line = refusal_of_file("sampler-options = 3")
    assert line.startswith("unknown setting in x.toml 'sampler-options'; did you mean 'sampler-option'?")


def test_every_setting_has_a_flag() -> None:
    """Each field of the search's and the data set's settings is reached by a flag, so by a line of a file."""
    flags = {str(parameter.name).replace("_", "-") for parameter in search.params}
    for settings in (SearchSettings, LoadSettings):
        assert {one.flag for one in declarations(settings).values()} <= flags
    assert set(file_settings()) == {str(parameter.name) for parameter in search.params} - OF_THE_COMMAND


def test_the_example_of_the_documentation_is_taken() -> None:
    """The file that docs/searching.md shows says what its text says."""
    page = (REPOSITORY / "docs/searching.md").read_text()
    Path("search.toml").write_text(page.partition("```toml\n")[2].partition("```")[0])
    settings, rest = search_settings(read_configuration(Path("search.toml"), file_settings()))
    assert (settings.trials, settings.objectives, settings.workers) == (50, ("accuracy", "latency_ms"), 2)
    assert settings.sampler_options == {"n_startup_trials": "20"}
    assert settings.narrow == {"filters": "16,32", "blocks": "2..3"}
    assert load_settings(rest).split == (0.8, 0.1, 0.1)


def read(given: dict[str, object]) -> SearchSettings:
    return search_settings(given)[0]


def test_the_ways_to_write_a_table_are_one() -> None:
    """A word, several words and a table mean the same; numbers and lists of a table are taken as the words would be."""
    for narrow in ("filters=16,32", ("filters=16,32",), ["filters=16,32"], {"filters": [16, 32]}):
        assert read({"narrow": narrow}).narrow == {"filters": "16,32"}
    assert read({"fix": "blocks=3"}).fix == read({"fix": {"blocks": 3}}).fix == {"blocks": "3"}
    of_space = read({"space": "pretrained", "space_option": ("weights=none",)})
    assert of_space.space_options == {"weights": "none"}
    assert read({"sampler_option": {"n_startup_trials": 5}}).sampler_options == {"n_startup_trials": "5"}


def test_a_file_says_what_flags_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file's values come out as those of the same flags do, for the search and for the data set."""
    monkeypatch.setattr(devices, "gpus", lambda: [devices.Gpu(n, "a GPU", 1.0, 1.0) for n in range(2)])
    for gpus, meant in (("all", None), ("none", ()), ("0,1", (0, 1)), ([0, 1], (0, 1))):
        assert read({"gpus": gpus}).gpus == meant
    assert read({"objective": ["accuracy", "latency_ms"]}).objectives == ("accuracy", "latency_ms")
    loaded = load_settings({"split": [0.8, 0.1, 0.1], "classes": ["a", "b"], "positive": 5, "option": {"x": True}})
    assert loaded.split == load_settings({"split": "0.8/0.1/0.1"}).split == (0.8, 0.1, 0.1)
    assert loaded.options == {"classes": "a,b", "positive": "5", "x": "yes"}


@pytest.mark.parametrize(
    ("settings", "given", "line"),
    [
        (SearchSettings, {"trials": 2.5}, "--trials must be a whole number, but got 2.5"),
        (SearchSettings, {"trials": None}, "--trials must be a whole number, but got None"),
        (SearchSettings, {"sampler_options": "a=1"}, "--sampler-option must be a table of names and values, but got"),
        (SearchSettings, {"hours": 10**400}, "--hours must be a finite number, but got 1000"),
        (LoadSettings, {"seed": "a"}, "--data-seed must be a whole number, but got 'a'"),
        (LoadSettings, {"channels": True}, "--channels must be 1 or 3, but got True"),
        (LoadSettings, {"split": (0.5, 0.5)}, r"--split must be a list of 3 finite numbers, but got \(0.5, 0.5\)"),
    ],
)
def test_values_of_another_type_are_refused_from_python(
    settings: type[SearchSettings | LoadSettings], given: dict[str, object], line: str
) -> None:
    """Values are checked against the declarations when the dataclass is made."""
    with pytest.raises(SettingError, match=line):
        settings(**given)  # type: ignore[arg-type]  # the names are given above


def test_what_python_means_is_taken() -> None:
    """Lists for tuples and numbers for texts become what is declared; whole numbers are numbers."""
    settings = SearchSettings(
        objective=["accuracy"],  # type: ignore[arg-type]  # what a user may write
        fix={"blocks": 3},  # type: ignore[dict-item]  # what a user may write
        gpus=[],  # type: ignore[arg-type]  # what a user may write
        hours=2,
    )
    assert (settings.objective, settings.fix, settings.gpus, settings.hours) == (("accuracy",), {"blocks": "3"}, (), 2)
