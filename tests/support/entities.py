"""One of every kind of entity that the API has, made through the API, with everything that it belongs to.

A kind without an example fails the tests that ask for all kinds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from tests.support.management import KnownTenant, ManagementBase

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Example:
    """How a kind is made and changed. `parents`: members of its body that name another kind, by that kind's name.

    `body` gives the other members, with a new name each time. `patch` changes something. `taken`: a member whose value
    nobody else may have; None: there is none.
    """

    path: str
    body: Callable[[], Json]
    patch: Json
    parents: Mapping[str, str] = field(default_factory=dict)
    taken: str | None = "name"


def _named(**members: Any) -> Callable[[], Json]:
    return lambda: {"name": f"Some {uuid4().hex}", **members}


#: By the kind's name in permissions and paths.
EXAMPLES: Mapping[str, Example] = {
    "board": Example("/boards", _named(), {"name": "Another board", "is_active": False}),
}


def body_of(base: ManagementBase, kind: str, tenant: KnownTenant | None = None, **members: Any) -> Json:
    """A body that makes a new one; what it belongs to is made first, unless `members` name it."""
    example = EXAMPLES[kind]
    parents = {
        member: make_entity(base, parent, tenant)["id"]
        for member, parent in example.parents.items()
        if member not in members
    }
    return {**example.body(), **parents, **members}


def make_entity(base: ManagementBase, kind: str, tenant: KnownTenant | None = None, **members: Any) -> Json:
    """A new one of the tenant (the first, unless another is given), as the API shows it."""
    headers = (tenant or base.tenant).headers
    body = body_of(base, kind, tenant, **members)
    answer = base.call("POST", EXAMPLES[kind].path, headers=headers, json=body)
    assert answer.status_code == 201, f"{kind}: {answer.text}"
    made: Json = answer.json()
    return made
