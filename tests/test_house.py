"""The house stands as it is drawn: its public names, its imports, and its layout."""

from __future__ import annotations

import ast
import graphlib
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import grimp
import pytest
from programs import REPOSITORY

import apertune
import apertune.datasets
import apertune.search
import apertune.spaces
from apertune.cli import COMMANDS

PACKAGE = REPOSITORY / "src" / "apertune"
HEAVY = {"tensorflow", "keras", "keras_tuner", "mlflow", "optuna", "pandas", "sklearn", "matplotlib", "numpy"}


def imported_by(statement: str) -> set[str]:
    """The top-level modules that a fresh interpreter holds after the statement."""
    program = f"{statement}\nimport sys\nprint(*sorted(name.partition('.')[0] for name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


def test_public_names_are_these() -> None:
    """The public names of the package and its three rooms are pinned, so that a change of them is meant."""
    assert sorted(apertune.__all__) == [
        "ApertuneError",
        "Champion",
        "Comparison",
        "ImageClassifier",
        "Model",
        "Study",
        "UserError",
        "audit",
        "compare",
        "describe",
        "fetch_space",
        "formats",
        "from_arrays",
        "from_dataframe",
        "from_huggingface",
        "from_tf_dataset",
        "list_spaces",
        "load",
        "open_model",
        "open_study",
        "report",
        "rerun",
        "rollback",
        "status",
        "studies",
        "sync",
        "tune",
    ]
    assert set(apertune.__all__) | {"__version__", "datasets", "errors", "search", "spaces"} <= set(dir(apertune))
    assert sorted(apertune.search.__all__) == [
        "Home",
        "PlaceSettings",
        "PromotionSettings",
        "SearchResult",
        "SearchSettings",
        "TrialRecord",
        "make_home",
        "promote",
        "rollback",
        "run",
    ]
    assert sorted(apertune.spaces.__all__) == [
        "Condition",
        "Parameter",
        "SearchSpace",
        "discover",
        "hyperparameters",
        "load",
        "narrow",
    ]
    assert sorted(apertune.datasets.__all__) == [
        "ADAPTERS",
        "Adapter",
        "AdapterEntry",
        "BadItem",
        "DataSpec",
        "ImageDataset",
        "Index",
        "LoadSettings",
        "TrainingView",
        "from_arrays",
        "from_dataframe",
        "from_huggingface",
        "from_tf_dataset",
        "load",
    ]
    for room in (apertune, apertune.search, apertune.spaces, apertune.datasets):
        assert all(hasattr(room, name) for name in room.__all__)


def test_mlflow_stays_the_real_one() -> None:
    """From the project's root `import mlflow` is the library, and the folder mlflow/ holds no Python."""
    assert not list((REPOSITORY / "mlflow").rglob("*.py"))
    program = "import mlflow.version; print(mlflow.version.VERSION)"
    done = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("3.")


def test_the_command_imports_nothing_heavy() -> None:
    """Making the command imports no framework, no MLflow, no Optuna, no pandas and no plotting."""
    assert not HEAVY & imported_by("import apertune.cli")


# `apertune spaces` describes data to a space, whose module needs NumPy.
@pytest.mark.parametrize("module", sorted({module for module, _, _ in COMMANDS.values()} - {"spaces"}))
def test_the_help_of_a_command_imports_nothing_heavy(module: str) -> None:
    """Showing a command's help, and refusing a wrong flag, imports none of them either."""
    assert not HEAVY & imported_by(f"import apertune.cli.{module}")


@pytest.mark.parametrize("module", ["apertune.search.engine.supervisor", "apertune.search.engine.launch"])
def test_the_supervisor_imports_no_framework(module: str) -> None:
    """The process that owns a search imports neither Keras nor MLflow nor plotting."""
    assert not {"tensorflow", "keras", "keras_tuner", "mlflow", "matplotlib", "plotly"} & imported_by(
        f"import {module}"
    )


def test_a_worker_imports_no_optuna() -> None:
    """A worker knows neither Optuna nor MLflow's server before it trains."""
    assert not {"optuna", "mlflow"} & imported_by("import apertune.search.training.worker")


# The calls that print or write texts, with the one module that may make each.
ONLY_IN = {
    "echo": {"src/apertune/cli/output.py"},
    "secho": {"src/apertune/cli/output.py"},
    "Console": {"src/apertune/cli/output.py"},
    # The console's own, and a line for the process that drives this one, which reads it.
    "print": {"src/apertune/cli/output.py", "search/sending/drawing_helper.py"},
    "writer": {"src/apertune/csv_rows.py"},
    "DictWriter": set(),
    "to_csv": set(),
}


def test_data_are_shown_and_written_in_one_place_each() -> None:
    """No command prints past the functions that make names of others harmless, and no CSV is written past its guard."""
    astray, found = [], set()
    for room in ("datasets", "spaces", "search", "src/apertune"):
        for path in (REPOSITORY / room).rglob("*.py"):
            name = path.relative_to(REPOSITORY).as_posix()
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                called = getattr(node.func, "attr", getattr(node.func, "id", "")) if isinstance(node, ast.Call) else ""
                if called not in ONLY_IN or isinstance(getattr(node.func, "value", None), ast.Call):
                    continue
                found.add(called)
                if name not in ONLY_IN[called] and not _is_of_the_consoles(node.func):
                    astray.append(f"{name}:{node.lineno}: {called}")
    assert {"secho", "Console", "writer"} <= found
    assert not astray


def _is_of_the_consoles(function: ast.expr) -> bool:
    """Returns whether a call is `self._console.print`, of a console that `open_console` made."""
    return isinstance(function, ast.Attribute) and getattr(function.value, "attr", "") == "_console"


@pytest.fixture(scope="module")
def imports() -> dict[str, set[str]]:
    """The modules that each module imports directly, those for type checkers and inside functions included."""
    graph = grimp.build_graph("apertune", cache_dir=None)
    return {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}


def circle(arrows: dict[str, set[str]]) -> list[str]:
    """The names around a circle of arrows; empty if there is none."""
    try:
        graphlib.TopologicalSorter(arrows).prepare()
    except graphlib.CycleError as error:
        return list(error.args[1])
    return []


def test_no_modules_import_each_other(imports: dict[str, set[str]]) -> None:
    """No module reaches itself by imports, wherever they stand."""
    assert len(imports) > 200
    assert not circle(imports)


def test_no_packages_import_each_other(imports: dict[str, set[str]]) -> None:
    """Within every package, no subpackage or module reaches itself through its neighbours."""
    for parent in {module.rpartition(".")[0] for module in imports} - {""}:
        arrows: dict[str, set[str]] = {}
        for importer, imported in imports.items():
            for pair in ((importer, other) for other in imported):
                source, target = (part(module, parent) for module in pair)
                if source and target and source != target:
                    arrows.setdefault(source, set()).add(target)
        assert not circle(arrows), parent


def part(module: str, parent: str) -> str:
    """The part of the parent package that a module is, or lies in; empty outside of it."""
    return module.removeprefix(f"{parent}.").partition(".")[0] if module.startswith(f"{parent}.") else ""


# Tests of these kinds, and those at the top, are about the whole and match no single source.
WITHOUT_SOURCE = ("browser", "faults", "support")


def sources_of(test: Path) -> Iterable[str]:
    """The names of the modules beside the source of a test, and of their package."""
    folder = test.relative_to(REPOSITORY / "tests").parent
    package = REPOSITORY if folder.parts[:1] in (("datasets",), ("spaces",), ("search",), ("mlflow",)) else PACKAGE
    names = [path.stem for path in (package / folder).glob("*") if path.stem != "__init__"]
    return [*names, folder.name]


def test_the_tests_stand_in_the_same_tree() -> None:
    """Every test lies where its source lies, and is called after its module or package."""
    tests = list((REPOSITORY / "tests").rglob("test_*.py"))
    astray = []
    for test in tests:
        inside = test.relative_to(REPOSITORY / "tests").parts
        subject = test.stem.removeprefix("test_")
        if inside[0] in WITHOUT_SOURCE or len(inside) == 1:
            continue
        if not any(subject == name or subject.startswith(f"{name}_") for name in sources_of(test)):
            astray.append("/".join(inside))
    assert len(tests) > 100
    assert not astray


def test_four_modules_stand_loose_in_search() -> None:
    """Everything else in `search/` lies in a package."""
    loose = {path.stem for path in (REPOSITORY / "search").glob("*.py")} - {"__init__"}
    assert loose == {"messages", "results", "settings", "trial_folder"}
