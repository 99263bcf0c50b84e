"""upsertClientByExternalId, for a set of commands of one tenant."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from schemas.actions import ActionContext, ActionError, ActionResult, Command
from sinks.actions.clients.fields import CURRENCY, DEFAULTS, EMAIL, PLAIN_FIELDS, UPSERT_FIELDS
from sinks.actions.clients.kind import CLIENT, NO_REFERENCES, QUERIES
from sinks.actions.entity_set import Row, decide_each
from sinks.actions.upsert_set import UniqueText, UpsertSet
from sinks.actions.values import merged_object, overlaid, refuse_null, require_form, require_on_create

_NAME = UniqueText("client_name", "name", QUERIES["find_named"])
_BLANK: Mapping[str, Any] = MappingProxyType(dict.fromkeys(("name", *PLAIN_FIELDS)) | {"properties": {}} | DEFAULTS)


def upsert_clients(commands: Sequence[Command]) -> list[ActionResult | ActionError]:
    """Run many upsertClientByExternalId.

    A name that is taken by a client out of service is taken all the same: linked, it stays out of service unless
    `is_inactive` says otherwise.
    """
    clients = UpsertSet(commands, CLIENT, NO_REFERENCES, _NAME)

    def decide(context: ActionContext, values: Mapping[str, Any]) -> ActionResult:
        _check(values)
        meant = clients.meant(context, values)
        if meant.row is None:
            require_on_create(UPSERT_FIELDS, CLIENT.entity_type, values)
        return clients.put(context, values, meant, _after(meant.row or {"id": context.new_id(), **_BLANK}, values))

    answers = decide_each(commands, decide)
    clients.write()
    return answers


def _check(values: Mapping[str, Any]) -> None:
    refuse_null(values, ("client_name",))
    require_form(values, "email", EMAIL, "an e-mail address")
    require_form(values, "default_currency_code", CURRENCY, "three letters, like EUR")


def _after(before: Row, values: Mapping[str, Any]) -> Row:
    after = overlaid(before, values, PLAIN_FIELDS, DEFAULTS)
    if "client_name" in values:
        after["name"] = values["client_name"]
    if values.get("default_currency_code") is not None:
        after["default_currency_code"] = values["default_currency_code"].upper()
    if "properties" in values:
        after["properties"] = merged_object(before["properties"], values["properties"], "properties")
    return after
