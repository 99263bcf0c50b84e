"""An action that others interrupt: what they write between its look at the database and its own writes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from infra.actions.core.coercion import compile_coercer
from infra.actions.registry import ActionRegistry, RegisteredAction
from schemas.actions import ActionDefinition, ActionResult, Transaction


@dataclass
class Interrupted:
    """A transaction in which others get a word once, after the query `after` and `looks_before` earlier ones."""

    inner: Transaction
    after: str
    meanwhile: Callable[[], object]
    looks_before: int = 0

    def rows(self, sql: str, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Rows as they were before the others wrote."""
        found = self.inner.rows(sql, parameters)
        if sql == self.after:
            self.looks_before -= 1
            if self.looks_before == -1:
                self.meanwhile()
        return found

    def execute(self, sql: str, parameters: Mapping[str, Any]) -> int:
        """As it is."""
        return self.inner.execute(sql, parameters)


def interrupted(
    definition: ActionDefinition, after: str, meanwhile: Callable[[], object], *, looks_before: int = 0
) -> ActionRegistry:
    """A registry of the action alone, whose first command, in its first try, is interrupted after the query `after`."""
    runs: list[int] = []

    def handle(context: Any, values: Mapping[str, Any]) -> ActionResult:
        if not runs:
            context.tx = Interrupted(context.tx, after, meanwhile, looks_before)
        runs.append(1)
        return definition.handle(context, values)

    changed = replace(definition, handle=handle)
    return ActionRegistry([RegisteredAction(changed, "test", compile_coercer(changed))])
