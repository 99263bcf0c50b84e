"""What a create makes of an external id that is mapped already: the option `on_existing`."""

from collections.abc import Mapping
from typing import Any

from schemas.actions import ON_EXISTING, ActionContext, ActionError, ActionResult
from schemas.records import ErrorCode
from sinks.actions.entity_set import EXTERNAL_ID, EntityKind


def left_as_it_is(
    context: ActionContext, kind: EntityKind, before: Mapping[str, Any], values: Mapping[str, Any]
) -> ActionResult | None:
    """The result where the entity stays; None where it is to be updated. Raises ActionError CONFLICT by default."""
    on_existing = context.options.get(ON_EXISTING.name, ON_EXISTING.default)
    if on_existing == "update":
        return None
    named = f"{kind.entity_type.replace('_', ' ')} {before['id']}"
    if on_existing == "ignore":
        return ActionResult(
            entity_type=kind.entity_type,
            entity_id=before["id"],
            external_id=values[EXTERNAL_ID],
            changed=False,
            message=f"{named} is there already and stays as it is",
        )
    message = f"{EXTERNAL_ID} {values[EXTERNAL_ID]!r} is mapped to {named} already"
    raise ActionError(ErrorCode.CONFLICT, message, EXTERNAL_ID)
