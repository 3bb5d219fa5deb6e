"""Names that KerasTuner's own tuners can tell apart."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import keras_tuner

from ..search_space import wording
from ..search_space.parameters import Value


class BranchNames:
    """Declares to KerasTuner under names that no two branches share: `learning_rate@optimizer=adam`.

    KerasTuner 1.4.8 takes parameters of one name in two branches for two (`HyperParameters._exists`), but drops the
    value of the active one when it comes to the inactive one (`ensure_active_values`), and its tuners then fail.
    """

    def __init__(self, hp: keras_tuner.HyperParameters) -> None:
        self._hp = hp
        self._branch: list[str] = []
        self._given: dict[str, str] = {}

    @contextlib.contextmanager
    def conditional_scope(self, parent_name: str, parent_values: Sequence[Value]) -> Iterator[None]:
        with self._hp.conditional_scope(self._given[parent_name], list(parent_values)):
            self._branch.append(f"{parent_name}={'|'.join(map(wording.quoted, parent_values))}")
            try:
                yield
            finally:
                self._branch.pop()

    def __getattr__(self, kind: str) -> Any:
        """`Int`, `Float`, `Choice`, `Boolean` or `Fixed`, with another name for the parameter."""
        declare = getattr(self._hp, kind)

        def declare_in_branch(name: str, *settings: Any, **named: Any) -> Any:
            self._given[name] = f"{name}@{'&'.join(self._branch)}" if self._branch else name
            return declare(self._given[name], *settings, **named)

        return declare_in_branch
