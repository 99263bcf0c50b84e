"""Every role by every endpoint, from the routes as they are: who may call what, and what a refusal says."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID, uuid4

import httpx
import pytest

from management.permissions import EVERYTHING, PERMISSIONS
from tests.support.management import KnownTenant, ManagementBase, bearer, make_tenant
from tests.support.operations import Operation, all_operations
from tests.support.people import make_person, make_role

Headers = dict[str, str]
GUARDED = [operation for operation in all_operations() if operation.requirements]
NEEDING_PERMISSION = [operation for operation in GUARDED if operation.permissions]
#: Open to everyone: whoever signs in has shown nothing yet.
OPEN = {"sign_in"}
#: Ways to take an entitlement from a tenant, by what an endpoint or a key needs.
TAKEN = {
    "webhooks": "UPDATE tenants SET entitlements = array_remove(entitlements, 'webhooks') WHERE id = %s",
    "workflows": "UPDATE tenants SET entitlements = array_remove(entitlements, 'workflows') WHERE id = %s",
    "public_api": "UPDATE tenants SET entitlements = array_remove(entitlements, 'public_api') WHERE id = %s",
    "inbound_webhooks_enabled": "UPDATE tenants SET inbound_webhooks_enabled = false WHERE id = %s",
}


def named(operation: Operation) -> str:
    return operation.name


@dataclass(frozen=True, slots=True)
class Callers:
    """Keys by what they may: of a user whose role has one permission, or all but one; of a key with all but one."""

    of_role: dict[str, Headers]
    of_other_role: dict[str, Headers]
    all_but: dict[str, Headers]
    without: dict[str, KnownTenant]


@pytest.fixture(scope="module")
def callers(management_base: ManagementBase) -> Callers:
    base = management_base
    of_role: dict[str, Headers] = {}
    of_other_role: dict[str, Headers] = {}
    all_but: dict[str, Headers] = {}
    for permission in sorted(PERMISSIONS):
        for found, permissions in ((of_role, {permission}), (of_other_role, PERMISSIONS - {permission})):
            user_id, _ = make_person(base, make_role(base, *permissions))
            found[permission] = bearer(base.new_key(EVERYTHING, user_id=user_id))
        all_but[permission] = bearer(base.new_key(*(PERMISSIONS - {permission})))
    without = {name: make_tenant(base.dsn, f"no-{name.replace('_', '-')}") for name in TAKEN}
    for name, tenant in without.items():
        base.write(TAKEN[name], (tenant.id,))
    return Callers(of_role, of_other_role, all_but, without)


def call(base: ManagementBase, operation: Operation, headers: Headers) -> httpx.Response:
    """With ids that are nobody's and without a body: what is refused for its caller is refused before that matters."""
    values = {name: "1" if name == "version" else str(uuid4()) for name in operation.parameters}
    return base.call(operation.method, operation.filled(values), headers=headers)


def refused(answer: httpx.Response, code: str, named: str) -> bool:
    error = answer.json()["error"] if answer.status_code == 403 else {"code": "", "message": ""}
    return error["code"] == code and named in error["message"]


def test_only_signing_in_is_open_to_everyone() -> None:
    assert {operation.name for operation in all_operations() if not operation.requirements} == OPEN


@pytest.mark.parametrize("operation", GUARDED, ids=named)
def test_nobody_is_refused_without_a_word_on_what_is_there(
    management_base: ManagementBase, operation: Operation
) -> None:
    answer = call(management_base, operation, {})
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "unauthorized"
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("operation", NEEDING_PERMISSION, ids=named)
def test_a_role_opens_exactly_the_endpoints_of_its_permissions(
    management_base: ManagementBase, callers: Callers, operation: Operation
) -> None:
    """The endpoint is open to a role that has its permission alone, and closed to one that has every other."""
    [needed] = operation.permissions
    passing = call(management_base, operation, callers.of_role[needed])
    assert passing.status_code not in {401, 403, 429}, passing.text
    assert passing.status_code < 500, passing.text
    answer = call(management_base, operation, callers.of_other_role[needed])
    assert refused(answer, "forbidden", needed), answer.text


@pytest.mark.parametrize("operation", NEEDING_PERMISSION, ids=named)
def test_a_key_with_every_other_permission_is_refused(
    management_base: ManagementBase, callers: Callers, operation: Operation
) -> None:
    [needed] = operation.permissions
    answer = call(management_base, operation, callers.all_but[needed])
    assert refused(answer, "forbidden", needed), answer.text


@pytest.mark.parametrize("operation", GUARDED, ids=named)
def test_a_tenant_without_the_entitlement_is_refused(
    management_base: ManagementBase, callers: Callers, operation: Operation
) -> None:
    for name, tenant in callers.without.items():
        answer = call(management_base, operation, tenant.headers)
        if name in {"public_api", *operation.entitlements}:
            assert refused(answer, "entitlement_required", name), f"{name}: {answer.status_code} {answer.text}"
        else:
            assert "entitlement_required" not in answer.text, f"{name}: {answer.text}"


def test_the_admin_role_may_everything_and_a_fresh_role_nothing(management_base: ManagementBase) -> None:
    admin = bearer(management_base.new_key(EVERYTHING, user_id=management_base.tenant.admin_id))
    made = management_base.call("POST", "/roles", json={"name": "fresh"}).json()
    assert (made["permissions"], made["is_admin"]) == ([], False)
    user_id, _ = make_person(management_base, UUID(made["id"]))
    fresh = bearer(management_base.new_key(EVERYTHING, user_id=user_id))
    for operation in NEEDING_PERMISSION:
        assert call(management_base, operation, admin).status_code not in {401, 403}, operation.name
        assert refused(call(management_base, operation, fresh), "forbidden", operation.permissions[0]), operation.name
