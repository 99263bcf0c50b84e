"""Whose an asset is: the mapped client, else the client its scope is mapped to, else the owner it has."""

from uuid import UUID

from schemas.actions import ActionContext, RefEntityType
from sinks.actions.assets.report import AssetReport
from sinks.actions.choice import Choice, invalid
from sinks.actions.references import FieldTypes, load_references

_SCOPE = "scope"
_TYPES = FieldTypes(
    {"client_id": RefEntityType.CLIENT},
    {"client_external_id": RefEntityType.CLIENT, _SCOPE: RefEntityType.CLIENT},
)


def owner_of(context: ActionContext, report: AssetReport, present: UUID | None) -> UUID:
    """The client of a report; `present`: the asset's owner, None for a new asset.

    Raises ActionError: VALIDATION_ERROR on client_id when there is none, LOOKUP_MISS for an unmapped external id.
    """
    named = {field: report.values.get(field) for field in ("client_id", "client_external_id")} | {_SCOPE: report.scope}
    references = load_references([(context, named)], _TYPES)
    client = Choice(context, named, references).client()
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
