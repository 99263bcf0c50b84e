"""Which setting holds for a row, and when the row expires by it. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

#: Stands for the webhook in a tenant's own setting.
NIL = str(UUID(int=0))
_SECONDS_PER_DAY = 86_400
_MICROSECONDS = 1_000_000
#: The last second a DateTime of ClickHouse holds, in February 2106.
_SECONDS_LAST = 2**32 - 1
#: Tenant and webhook as text.
Key = tuple[str, str]


class Setting(NamedTuple):
    """Days that a webhook, or a tenant (webhook NIL), wants; None: as the tenant, or the default."""

    bodies: int | None = None
    rows: int | None = None
    rejections: int | None = None


NO_SETTING = Setting()


@dataclass(frozen=True, slots=True)
class Retention:
    """Settings by tenant and webhook; who is not here has the default, which the tables know by themselves."""

    settings: Mapping[Key, Setting] = field(default_factory=dict)

    def of_webhook(self, tenant_id: str, webhook_id: str) -> Setting:
        """What holds for its deliveries; without days: the default."""
        for key in ((tenant_id, webhook_id), (tenant_id, NIL)):
            found = self.settings.get(key, NO_SETTING)
            if found.bodies is not None:
                return found
        return NO_SETTING

    def of_webhooks(self, tenant_ids: Sequence[str], webhook_ids: Sequence[str]) -> list[Setting]:
        """What holds for a delivery of each of these, element by element."""
        webhooks = list(zip(tenant_ids, webhook_ids, strict=True))
        found = {webhook: self.of_webhook(*webhook) for webhook in dict.fromkeys(webhooks)}
        return [found[webhook] for webhook in webhooks]

    def of_tenant(self, tenant_id: str) -> Setting:
        """What holds for its rejections; without days: the default."""
        return self.settings.get((tenant_id, NIL), NO_SETTING)


ReadRetention = Callable[[], Retention]


def no_retention() -> Retention:
    """Everybody has the default."""
    return Retention()


def expires_at(at_us: int, days: int | None) -> int | None:
    """Seconds since the epoch, as far as the column reaches, for something of the moment `at_us`; None: the default."""
    return None if days is None else min(at_us // _MICROSECONDS + days * _SECONDS_PER_DAY, _SECONDS_LAST)
