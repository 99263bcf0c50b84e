"""setClientActiveByExternalId, for a set of commands of one tenant."""

from collections.abc import Mapping, Sequence
from typing import Any

from schemas.actions import ActionContext, ActionError, ActionResult, Command
from sinks.actions.clients.kind import CLIENT, NO_REFERENCES
from sinks.actions.entity_set import EntitySet, decide_each, updated


def set_clients_active(commands: Sequence[Command]) -> list[ActionResult | ActionError]:
    """Run many setClientActiveByExternalId."""
    clients = EntitySet(commands, CLIENT, NO_REFERENCES)

    def decide(context: ActionContext, values: Mapping[str, Any]) -> ActionResult:
        before = clients.require(context, values)
        changes = clients.change(context, before | {"is_inactive": not values["active"]})
        return updated(CLIENT, before, values, before["name"], changes)

    answers = decide_each(commands, decide)
    clients.write()
    return answers
