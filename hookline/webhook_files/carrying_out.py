"""Steps done over the management API, one after the other, each with what became of it."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from hookline.errors import WorkFailedError
from hookline.management_client import WEBHOOKS, ManagementClient
from hookline.webhook_files.declarations import Json
from hookline.webhook_files.steps import Difference, Kind, Step, body_of
from management.preconditions import etag_of

_NOT_DELETED = "not deleted, because not everything that is declared could be done"


class Result(NamedTuple):
    """What was done, or would be. `secret` is one the API made: it is shown this once."""

    kind: Kind
    slug: str
    differences: tuple[Difference, ...] = ()
    sets_secret: bool = False
    problem: str | None = None
    secret: str | None = None


def as_planned(step: Step) -> Result:
    """The step, undone."""
    return Result(step.kind, step.slug, step.differences, step.sets_secret, step.problem)


def carry_out(
    client: ManagementClient, steps: Sequence[Step], *, refuse_if_worse: int | None = None
) -> Iterator[Result]:
    """Do them. What the API refuses is a result and holds up no other step but deletions. `refuse_if_worse`: of so many
    last requests of a changed webhook no more may fail than before.

    Raises UsageError before anything is done when a secret is not where it should be, and NotReadyError when the API
    is away.
    """
    bodies = {step.slug: body_of(step) for step in steps if step.kind in ("create", "update")}
    refused = False
    for step in steps:
        result = as_planned(step)
        if step.kind == "delete" and refused:
            result = result._replace(kind="refused", problem=_NOT_DELETED)
        elif step.kind not in ("none", "refused"):
            try:
                result = _done(client, step, bodies.get(step.slug), refuse_if_worse)
            except WorkFailedError as error:
                result = result._replace(kind="refused", problem=str(error))
        refused = refused or result.kind == "refused"
        yield result


def _done(client: ManagementClient, step: Step, body: Json | None, refuse_if_worse: int | None) -> Result:
    planned, shown = as_planned(step), step.shown
    if shown is None:
        created = client.call("POST", WEBHOOKS, body=body)
        return planned._replace(secret=created.get("secret"))
    path, if_match = f"{WEBHOOKS}/{shown['id']}", etag_of(shown["version"])
    if step.kind == "delete":
        client.call("DELETE", path, if_match=if_match)
        return planned
    parameters = None if refuse_if_worse is None else {"refuse_if_worse": refuse_if_worse}
    changed = client.call("PUT", path, body=body, parameters=parameters, if_match=if_match)
    kind: Kind = "none" if changed["version"] == shown["version"] else "update"
    return planned._replace(kind=kind, secret=changed.get("secret"))
