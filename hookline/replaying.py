"""Replay jobs as the command asks the management API for them."""

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from hookline.errors import UsageError, WorkFailedError
from hookline.management_client import WEBHOOKS, Json, ManagementClient

REPLAYS = "/replays"
_ENDED = ("done", "stopped", "failed")
_POLL_SECONDS = 0.5
_PLANNED_SECONDS_MAX = 600.0


class Wanted(NamedTuple):
    """What the options select."""

    since: str | None
    until: str | None
    webhooks: Sequence[str]
    statuses: Sequence[str]
    offsets: Sequence[str]
    ids: Sequence[str]


def ask(client: ManagementClient, wanted: Wanted, how: Mapping[str, Any]) -> Json:
    """A new job. Raises UsageError for options that do not go together."""
    job: Json = client.call("POST", REPLAYS, body={"selection": _selection(client, wanted), **how})
    return job


def await_plan(client: ManagementClient, job: Json) -> Json:
    """The job once it is planned, or as it stands when that takes too long."""
    deadline = time.monotonic() + _PLANNED_SECONDS_MAX
    while job["state"] == "planning" and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
        job = client.call("GET", f"{REPLAYS}/{job['id']}")
    return job


def change(client: ManagementClient, job_id: str, what: str, reason: str | None) -> Json:
    """Confirm, pause, resume or stop."""
    body = {} if reason is None else {"reason": reason}
    job: Json = client.call("POST", f"{REPLAYS}/{job_id}/{what}", body=body)
    return job


def changes(client: ManagementClient, job: Json) -> Iterator[Json]:
    """The job as it is, and whenever it has changed, until it has ended."""
    yield job
    while job["state"] not in _ENDED:
        time.sleep(_POLL_SECONDS)
        seen, job = job, client.call("GET", f"{REPLAYS}/{job['id']}")
        if job != seen:
            yield job


def _selection(client: ManagementClient, wanted: Wanted) -> Json:
    ids = [one.strip() for given in wanted.ids for one in given.split(",") if one.strip()]
    by_filter = any((wanted.since, wanted.until, wanted.webhooks, wanted.statuses))
    if sum((bool(ids), bool(wanted.offsets), by_filter)) != 1:
        raise UsageError("select by --ids, by --offsets, or by --from, --to, --webhook and --status")
    if ids:
        return {"delivery_ids": ids}
    if wanted.offsets:
        return {"offsets": list(wanted.offsets)}
    times = {name: value for name, value in (("since", wanted.since), ("until", wanted.until)) if value is not None}
    members = {"webhook_id": _webhook_ids(client, wanted.webhooks), "dispatch_status": list(wanted.statuses)}
    return {"filter": {**times, **{name: values for name, values in members.items() if values}}}


def _webhook_ids(client: ManagementClient, slugs: Sequence[str]) -> list[str]:
    if not slugs:
        return []
    ids = {webhook["slug"]: str(webhook["id"]) for webhook in client.pages(WEBHOOKS)}
    missing = [slug for slug in slugs if slug not in ids]
    if missing:
        raise WorkFailedError(f"there is no webhook {', '.join(missing)}")
    return [ids[slug] for slug in slugs]
