from __future__ import annotations

import optuna

from apertune.search.evaluation.direction import Direction
from apertune.search.messages import TrialResult
from apertune.search.studies.definition import StudyDefinition
from apertune.search.studies.opening import create_study
from apertune.search.studies.readable import readable
from apertune.search.studies.storage.storage import open_storage
from apertune.spaces.search_space.parameters import Condition, Parameter, SearchSpace

SPACE = SearchSpace((
    Parameter("filters", "int", 32, low=16, high=128, step=2, sampling="log"),
    Parameter("momentum", "float", 0.9, low=0.5, high=0.99, sampling="reverse_log"),
    Parameter("optimizer", "choice", "sgd", values=("sgd", "adam")),
    Parameter("rate", "float", 1e-3, low=1e-4, high=1e-1, sampling="log",
              conditions=(Condition("optimizer", ("sgd",)),)),
    Parameter("rate", "float", 1e-3, low=1e-5, high=1e-2, sampling="log",
              conditions=(Condition("optimizer", ("adam",)),)),
))  # fmt: skip


def test_plots_show_the_values_that_were_trained_with(tmp_path):
    """A grid on a log scale and a reverse_log share are their values again; numbers, states and values stay."""
    definition = StudyDefinition(
        dataset="pets", data="", task="binary", fingerprint="ab" * 32, space="convnet",
        search_space=SPACE.to_json(), objective="accuracy", direction=Direction.MAXIMIZE, epochs=2,
    )  # fmt: skip
    study = create_study(open_storage(f"sqlite:///{tmp_path / 'studies.db'}"), "pets", definition)
    study.optuna.sampler = optuna.samplers.RandomSampler(seed=0)
    asked = [study.ask() for _ in range(12)]
    for one in asked[:10]:
        study.report(one.number, 0.25, 1)
        study.tell(TrialResult(one.number, "complete", value=one.number / 10, epochs=1))
    study.tell(TrialResult(asked[10].number, "pruned", epochs=1))
    copied = readable(study)
    assert copied.study_name == "pets"
    assert [trial.state for trial in copied.trials] == [trial.state for trial in study.optuna.trials]
    for trial, one in zip(copied.trials, asked, strict=True):
        assert {key.split(" (")[0]: value for key, value in trial.params.items()} == one.values
        assert trial.number == one.number
    names = {name for trial in copied.trials for name in trial.params}
    assert names == {"filters", "momentum", "optimizer", "rate (sgd)", "rate (adam)"}
    assert any("rate@optimizer=sgd" in trial.params for trial in study.optuna.trials)
    assert {trial.params["filters"] for trial in copied.trials} <= {16, 32, 64, 128}
    assert copied.best_value == 0.9
    assert copied.trials[0].intermediate_values == {1: 0.25}
