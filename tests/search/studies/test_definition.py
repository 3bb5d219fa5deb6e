from __future__ import annotations

import json

from pretend_study import definition

from apertune.search.evaluation.direction import Direction
from apertune.search.studies.definition import StudyDefinition

MORE = (("log_loss", Direction.MINIMIZE), ("f1", Direction.MAXIMIZE))


def test_a_definition_survives_json() -> None:
    """JSON holds directions as Optuna's words, and a definition read back from it has Directions again."""
    stored = definition(more_objectives=MORE)
    text = json.dumps(stored.to_dict())
    assert json.loads(text)["direction"] == "maximize"
    assert json.loads(text)["more_objectives"] == [["log_loss", "minimize"], ["f1", "maximize"]]
    again = StudyDefinition.from_dict(json.loads(text))
    assert again == stored
    assert [type(direction) for _, direction in again.objectives] == [Direction] * 3
