"""upsertContactByExternalId, for a set of commands of one tenant."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from infra.queries import load_queries
from schemas.actions import ActionContext, ActionError, ActionResult, Command
from sinks.actions.choice import Choice, invalid
from sinks.actions.contacts.fields import DEFAULTS, EMAIL, PLAIN_FIELDS, REFERENCES, UPSERT_FIELDS
from sinks.actions.entity_set import EntityKind, Row, decide_each
from sinks.actions.upsert_set import UniqueText, UpsertSet
from sinks.actions.values import overlaid, refuse_null, require_form, require_on_create

QUERIES = load_queries(Path(__file__).parent / "queries.sql")

CONTACT = EntityKind("contact", QUERIES["lock_contacts"], QUERIES["insert_contacts"], QUERIES["update_contacts"])
_EMAIL = UniqueText("email", "email", QUERIES["find_by_email"])
_BLANK: Mapping[str, Any] = MappingProxyType(dict.fromkeys(("client_id", *PLAIN_FIELDS)) | DEFAULTS)
_OWNER_FIELDS = ("client_id", "client_external_id")


def upsert_contacts(commands: Sequence[Command]) -> list[ActionResult | ActionError]:
    """Run many upsertContactByExternalId. As of clients, a contact out of service still has its e-mail address."""
    contacts = UpsertSet(commands, CONTACT, REFERENCES, _EMAIL)

    def decide(context: ActionContext, values: Mapping[str, Any]) -> ActionResult:
        refuse_null(values, ("full_name", "email"))
        require_form(values, "email", EMAIL, "an e-mail address")
        meant = contacts.meant(context, values)
        if meant.row is None:
            require_on_create(UPSERT_FIELDS, CONTACT.entity_type, values)
        before = meant.row or {"id": context.new_id(), **_BLANK}
        return contacts.put(
            context, values, meant, _after(before, values, Choice(context, values, contacts.references))
        )

    answers = decide_each(commands, decide)
    contacts.write()
    return answers


def _after(before: Row, values: Mapping[str, Any], choice: Choice) -> Row:
    after = overlaid(before, values, PLAIN_FIELDS, DEFAULTS)
    client = choice.client()
    if client is not None:
        # Its tickets of the client before keep it: they are what happened then, and the schema asks for no more than
        # a contact of the tenant.
        after["client_id"] = client.id
        return after
    refuse_null(values, _OWNER_FIELDS)
    if before["client_id"] is None:
        raise invalid("client_id", "client_id: a new contact needs client_id or client_external_id")
    return after
