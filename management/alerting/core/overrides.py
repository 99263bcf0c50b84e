"""What tenants have changed of the rules, as an evaluation looks it up. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from management.alerting.core.rules import RULES, Rule, RuleParameters, effective

_Place = tuple[UUID, str, UUID | None]


class Overrides:
    """`rows` have `tenant_id`, `rule`, `webhook_id` (None: all webhooks of the tenant) and `parameters`."""

    def __init__(self, rows: Iterable[Mapping[str, Any]]) -> None:
        self._parameters: dict[_Place, Mapping[str, Any]] = {
            (row["tenant_id"], row["rule"], row["webhook_id"]): row["parameters"] for row in rows
        }

    def of(self, rule: Rule, tenant_id: UUID, webhook_id: UUID | None) -> RuleParameters:
        """The parameters in force; the defaults where another release stored some that this one does not take."""
        of_tenant = self._parameters.get((tenant_id, rule.name, None))
        of_webhook = self._parameters.get((tenant_id, rule.name, webhook_id))
        if of_tenant is None and of_webhook is None:
            return rule.defaults
        try:
            return effective(rule, of_tenant, of_webhook)
        except ValidationError:
            return rule.defaults

    def windows(self, rule: Rule) -> list[int]:
        """Every window in use, in minutes."""
        wanted = {getattr(rule.defaults, "window_minutes", 0)}
        for (_, name, _), parameters in self._parameters.items():
            if name == rule.name and parameters.get("window_minutes") in _windows_of(rule):
                wanted.add(parameters["window_minutes"])
        return sorted(wanted)


def _windows_of(rule: Rule) -> tuple[int, ...]:
    field = RULES[rule.name].parameters.model_fields.get("window_minutes")
    return () if field is None else tuple(getattr(field.annotation, "__args__", ()))
