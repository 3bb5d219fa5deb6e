"""Names of parameters that KerasTuner's own tuners can tell apart."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import keras_tuner

from ..search_space.parameters import Value, quoted


class BranchNames:
    """Stands in for KerasTuner's `HyperParameters` and gives each branch names of its own.

    `learning_rate` becomes `learning_rate@optimizer=adam`. KerasTuner 1.4.8 keeps parameters of one name in two
    branches apart (`HyperParameters._exists`), but drops the active one's value when it reaches the inactive one
    (`ensure_active_values`), and then its tuners fail.
    """

    def __init__(self, hp: keras_tuner.HyperParameters) -> None:
        self._hp = hp
        self._branch: list[str] = []
        self._given: dict[str, str] = {}

    @contextlib.contextmanager
    def conditional_scope(self, parent_name: str, parent_values: Sequence[Value]) -> Iterator[None]:
        """Opens KerasTuner's scope of the same name, and adds its condition to the names declared inside."""
        with self._hp.conditional_scope(self._given[parent_name], list(parent_values)):
            self._branch.append(f"{parent_name}={'|'.join(map(quoted, parent_values))}")
            try:
                yield
            finally:
                self._branch.pop()

    def __getattr__(self, kind: str) -> Any:
        """Returns `Int`, `Float`, `Choice`, `Boolean` or `Fixed`, which then declares under the branch's name."""
        declare = getattr(self._hp, kind)

        def declare_in_branch(name: str, *settings: Any, **named: Any) -> Any:
            self._given[name] = f"{name}@{'&'.join(self._branch)}" if self._branch else name
            return declare(self._given[name], *settings, **named)

        return declare_in_branch
