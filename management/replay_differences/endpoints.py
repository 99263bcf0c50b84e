"""POST /replays/dry-run."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query

from management.access import INBOUND_WEBHOOKS, Access, Actor
from management.exports import EXPORT_ANSWERS, ExportFormat, ExportResponse
from management.replay_differences.schemas import DryRunFormat, ReplayDryRun, ReplayDryRunInput
from management.replay_differences.service import ReplayDifferenceService

#: The first that the header names decides, when no `format` is given.
_MEDIA_TYPES: dict[str, ExportFormat] = {
    "text/csv": "csv",
    "application/jsonl": "jsonl",
    "application/x-ndjson": "jsonl",
}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    **EXPORT_ANSWERS,
    429: {"description": "Other dry runs are running"},
}
Format = Annotated[
    DryRunFormat | None, Query(description="a file, or the summary; left out: as Accept says, else json")
]


def replay_difference_routes(service: ReplayDifferenceService, access: Access) -> APIRouter:
    """The route of the resource."""
    replayer = Annotated[Actor, Depends(access.require("inbound_webhook:replay", *INBOUND_WEBHOOKS))]
    router = APIRouter(tags=["replays"])

    @router.post("/replays/dry-run", response_model=ReplayDryRun, responses=_ANSWERS)
    def dry_run_replay(
        given: ReplayDryRunInput,
        actor: replayer,
        format: Format = None,  # the name callers know from exports
        accept: Annotated[str, Header()] = "",
    ) -> ReplayDryRun | ExportResponse:
        """What would happen now to deliveries, and where it differs from what happened. Nothing is sent or changed."""
        wanted = format or _of_accept(accept)
        return service.summary(actor, given) if wanted == "json" else service.export(actor, given, wanted)

    return router


def _of_accept(accept: str) -> DryRunFormat:
    names = [part.split(";")[0].strip().lower() for part in accept.split(",")]
    return next((_MEDIA_TYPES[name] for name in names if name in _MEDIA_TYPES), "json")
