"""Apertune: hyperparameter search for image classifiers.

KerasTuner declares the search space, Optuna draws the trials, MLflow keeps their results. Five lines in a notebook:

    import apertune

    data = apertune.load("digits")
    study = apertune.tune(data, trials=20)
    champion = study.promote()

The names here are the short way. The rooms of the house, `apertune.datasets`, `apertune.spaces` and `apertune.search`,
have every setting and type.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if sys.platform == "win32":
    # Ahead of every other import: the package needs modules that Windows does not have, such as termios.
    _REFUSAL = "Apertune runs on Linux and macOS, not on Windows; install it in the Windows Subsystem for Linux (WSL)"
    # The script `apertune` and `python -m apertune`, whose first argument is "-m" until its module is found, import the
    # package before any code of theirs could catch an error, and would end with a traceback.
    if sys.argv and (sys.argv[0] == "-m" or Path(sys.argv[0]).stem.lower() == "apertune"):
        sys.stderr.write(f"Error: {_REFUSAL}\n")
        raise SystemExit(2)
    raise ImportError(_REFUSAL)

from .errors import ApertuneError, UserError
from .lazy_exports import exported

if TYPE_CHECKING:
    from .api.data import formats, from_arrays, from_dataframe, from_huggingface, from_tf_dataset, load
    from .api.estimator import ImageClassifier
    from .api.functions import (
        Comparison,
        audit,
        compare,
        describe,
        fetch_space,
        list_spaces,
        report,
        rerun,
        rollback,
        status,
        studies,
        sync,
    )
    from .api.model import Champion, Model, open_model
    from .api.study import Study, open_study
    from .api.tuning import tune

__all__ = [
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

# Looked up on first use, so that the command and a worker start quickly.
_MODULES = {
    "Champion": "api.model",
    "Comparison": "api.functions",
    "ImageClassifier": "api.estimator",
    "Model": "api.model",
    "Study": "api.study",
    "audit": "api.functions",
    "compare": "api.functions",
    "describe": "api.functions",
    "fetch_space": "api.functions",
    "formats": "api.data",
    "from_arrays": "api.data",
    "from_dataframe": "api.data",
    "from_huggingface": "api.data",
    "from_tf_dataset": "api.data",
    "list_spaces": "api.functions",
    "load": "api.data",
    "open_model": "api.model",
    "open_study": "api.study",
    "report": "api.functions",
    "rerun": "api.functions",
    "rollback": "api.functions",
    "status": "api.functions",
    "studies": "api.functions",
    "sync": "api.functions",
    "tune": "api.tuning",
}
_ROOMS = ("datasets", "errors", "search", "spaces")


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from .versions import installed_version

        return installed_version("apertune")
    if name in _ROOMS:
        return importlib.import_module(f".{name}", __name__)
    return exported(__name__, _MODULES, name)


def __dir__() -> list[str]:
    return [*__all__, "__doc__", "__version__", *_ROOMS]
