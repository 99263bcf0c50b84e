"""Whose an asset is: the mapped client, else the client its scope is mapped to, else the owner it has."""

from uuid import UUID

from schemas.actions import ActionContext, RefEntityType
from sinks.actions.assets.asset_set import owner_fields
from sinks.actions.assets.report import AssetReport
from sinks.actions.choice import Choice, invalid
from sinks.actions.references import References


def owner_of(context: ActionContext, report: AssetReport, references: References, present: UUID | None) -> UUID:
    """The client of a report; `present`: the asset's owner, None for a new asset.

    Raises ActionError: VALIDATION_ERROR on client_id when there is none, LOOKUP_MISS for an unmapped external id.
    """
    client = Choice(context, owner_fields(report), references).client()
    if client is not None:
        return client.id
    of_scope = None
    if report.scope is not None:
        of_scope = references.mapped(context, RefEntityType.CLIENT, report.scope, "client_id")
        if of_scope is not None and references.entity_of_id(RefEntityType.CLIENT, of_scope) is not None:
            return of_scope
    if present is not None:
        return present
    if of_scope is not None:
        raise invalid(
            "client_id", f"client_id: scope {report.scope!r} is mapped to client {of_scope}, not an active one"
        )
    raise invalid("client_id", "client_id: a new asset needs client_id, client_external_id or a mapped scope")
