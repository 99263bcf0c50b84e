"""Sets of commands that are run as one, and the statements that their handler runs for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from infra.actions.core.coercion import compile_coercer
from infra.actions.registry import ActionRegistry, RegisteredAction
from schemas.actions import ActionDefinition, ActionError, ActionResult, Transaction
from sinks.actions.execution import Outcome
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


@dataclass(frozen=True, slots=True)
class SetRun:
    """What became of a set of commands, and the statements that its handler ran."""

    outcomes: list[Outcome]
    statements: list[str]


def counting(
    definition: ActionDefinition, statements: list[str], answers: list[ActionResult | ActionError]
) -> ActionRegistry:
    """A registry of this action alone, whose sets of two or more commands note what they ran and answered."""
    handle_many = definition.handle_many
    assert handle_many is not None

    def counted(commands: Sequence[tuple[Any, Mapping[str, Any]]]) -> list[ActionResult | ActionError]:
        for context, _ in commands:
            context.tx = CountedTransaction(context.tx, statements)
        answered = handle_many(commands)
        answers.extend(answered)
        return answered

    registered = RegisteredAction(replace(definition, handle_many=counted), "test", compile_coercer(definition))
    return ActionRegistry([registered])


def run_as_one_set(base: ActionBase, definition: ActionDefinition, requests: Sequence[Mapping[str, Any]]) -> SetRun:
    """Run two or more requests of the action. AssertionError when the set is not answered as a whole, in one call."""
    statements: list[str] = []
    answers: list[ActionResult | ActionError] = []
    outcomes = base.run(*requests, registry=counting(definition, statements, answers))
    assert len(answers) == len(requests), "the set was split, or its commands run one by one"
    return SetRun(outcomes, statements)


def statements_of(base: ActionBase, definition: ActionDefinition, requests: Sequence[Mapping[str, Any]]) -> list[str]:
    """The statements of a set of requests, all of which must succeed."""
    run = run_as_one_set(base, definition, requests)
    assert {outcome.status for outcome in run.outcomes} == {"dispatched"}, run.outcomes
    return run.statements
