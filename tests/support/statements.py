"""How many statements the handler of an action runs for a set of commands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from infra.actions.core.coercion import compile_coercer
from infra.actions.registry import ActionRegistry, RegisteredAction
from schemas.actions import ActionDefinition, ActionError, ActionResult, Transaction
from tests.support.actions import ActionBase


@dataclass(frozen=True, slots=True)
class CountedTransaction:
    """A transaction that notes every statement."""

    inner: Transaction
    statements: list[str]

    def rows(self, sql: str, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
        """As it is."""
        self.statements.append(sql)
        return self.inner.rows(sql, parameters)

    def execute(self, sql: str, parameters: Mapping[str, Any]) -> int:
        """As it is."""
        self.statements.append(sql)
        return self.inner.execute(sql, parameters)


def statements_of(base: ActionBase, definition: ActionDefinition, requests: Sequence[Mapping[str, Any]]) -> list[str]:
    """The statements of one set of two or more requests of the action, all of which must succeed."""
    statements: list[str] = []
    handle_many = definition.handle_many
    assert handle_many is not None

    def counted(commands: Sequence[tuple[Any, Mapping[str, Any]]]) -> list[ActionResult | ActionError]:
        for context, _ in commands:
            context.tx = CountedTransaction(context.tx, statements)
        return handle_many(commands)

    registered = RegisteredAction(replace(definition, handle_many=counted), "test", compile_coercer(definition))
    outcomes = base.run(*requests, registry=ActionRegistry([registered]))
    assert {outcome.status for outcome in outcomes} == {"dispatched"}, outcomes
    assert statements, "the handler of one command alone is not counted"
    return statements
