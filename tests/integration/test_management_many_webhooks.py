"""A list of a tenant with 10,000 webhooks costs little more than one of a tenant with 100 (`make bench` has times)."""

from __future__ import annotations

import time

import pytest

from tests.support.management import KnownTenant, ManagementBase, management_base
from tests.support.webhooks import WEBHOOKS

pytestmark = pytest.mark.proof

__all__ = ["management_base"]

MANY, FEW = 10_000, 100
CALLS = 15
#: A search has to look at all of them, which costs 10,000 comparisons and not 10,000 rows read.
RATIO_MAX = 8.0


@pytest.mark.parametrize(
    "parameters",
    [
        {"per_page": 100},
        {"per_page": 100, "page": MANY // 100},
        {"per_page": 100, "search": "number 77"},
        {"per_page": 100, "is_active": True, "priority": 2, "sort": "-updated_at"},
        {"slug": "many-50"},
    ],
)
def test_a_list_of_ten_thousand_webhooks_costs_little_more_than_one_of_a_hundred(
    management_base: ManagementBase, parameters: dict[str, str | int | bool]
) -> None:
    base = management_base
    add_webhooks(base, base.tenant, MANY)
    add_webhooks(base, base.other_tenant, FEW)
    few_parameters = {name: value for name, value in parameters.items() if name != "page"}
    many, few = [], []
    for _ in range(CALLS):  # in turns, so that what else the machine does hits both alike
        many.append(seconds_of(base, base.tenant, parameters))
        few.append(seconds_of(base, base.other_tenant, few_parameters))
    assert sorted(many)[CALLS // 2] / sorted(few)[CALLS // 2] < RATIO_MAX


def seconds_of(base: ManagementBase, tenant: KnownTenant, parameters: dict[str, str | int | bool]) -> float:
    """How long one list took, which has to have something in it."""
    started = time.perf_counter()
    answer = base.call("GET", WEBHOOKS, params=parameters, headers=tenant.headers)
    seconds = time.perf_counter() - started
    assert answer.status_code == 200, answer.text
    assert answer.json()["data"]
    return seconds


def add_webhooks(base: ManagementBase, tenant: KnownTenant, count: int) -> None:
    """Webhooks with a mapping of 2 kB each, where the tenant has none yet."""
    if base.rows("SELECT FROM webhooks WHERE tenant_id = %s LIMIT 1", (tenant.id,)):
        return
    base.write(
        "INSERT INTO webhooks "
        "(tenant_id, id, slug, name, description, is_active, auth_config, handler_config, priority) "
        "SELECT %s, gen_random_uuid(), 'many-' || n, 'Webhook ' || n, 'This is number ' || n, n %% 3 > 0, "
        """'{"signature_header": "X-S"}', jsonb_build_object('action', 'createTicket', 'field_mapping', """
        "jsonb_build_object('title', 'alert.title', 'description', repeat(md5(n::text), 60))), n %% 4 "
        "FROM generate_series(1, %s) n",
        (tenant.id, count),
    )
    base.write(
        "INSERT INTO webhook_secrets (tenant_id, webhook_id, slot, sealed) "
        "SELECT tenant_id, id, 'current', 'v1.x.y' FROM webhooks WHERE tenant_id = %s",
        (tenant.id,),
    )
    base.write("ANALYZE webhooks")
