"""GET and POST /replays, GET /replays/{replay_id}, what can be done to a job, its progress and its records."""

from functools import partial
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.responses import StreamingResponse

from management.access import INBOUND_WEBHOOKS, Access, Actor
from management.event_streams import EVENT_STREAM, EventStream, require_event_stream
from management.exports import EXPORT_ANSWERS, ExportResponse
from management.paging import Page
from management.replays.progress import ReplayProgress
from management.replays.schemas import (
    Replay,
    ReplayChangeInput,
    ReplayCreateInput,
    ReplayDetail,
    ReplayJobFilter,
    ReplayRecord,
    ReplayRecordExport,
    ReplayRecordFilter,
)
from management.replays.service import ReplayService

_TOO_MANY: dict[int | str, dict[str, Any]] = {409: {"description": "Too many of the tenant's jobs are open"}}
_NOT_NOW: dict[int | str, dict[str, Any]] = {409: {"description": "The job is in a state that does not allow it"}}
_PROGRESS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Events `progress` (data: Replay) and `end`; see docs/replay-jobs.md",
        "content": {EVENT_STREAM: {"schema": {"type": "string"}}},
    },
    406: {"description": "The request does not say `Accept: text/event-stream`"},
    429: {"description": "Too many jobs are watched, or too many requests of this tenant in this minute"},
}
_LastEventId = Annotated[
    str | None, Header(alias="Last-Event-ID", max_length=100, description="Do not tell this one again")
]


def replay_routes(service: ReplayService, progress: ReplayProgress, access: Access) -> APIRouter:
    """The routes of the resource."""
    requirement = access.require("inbound_webhook:replay", *INBOUND_WEBHOOKS)
    replayer = Annotated[Actor, Depends(requirement)]
    router = APIRouter(tags=["replays"])

    @router.get("/replays")
    def list_replays(wanted: Annotated[ReplayJobFilter, Query()], actor: replayer) -> Page[Replay]:
        """Replay jobs, newest first."""
        return service.page(actor.tenant_id, wanted)

    @router.post("/replays", status_code=202, responses=_TOO_MANY)
    def create_replay(wanted: ReplayCreateInput, actor: replayer) -> Replay:
        """Replay many deliveries; it is planned and done in the background."""
        return service.create(actor, wanted)

    @router.get("/replays/{replay_id}")
    def get_replay(replay_id: UUID, actor: replayer) -> ReplayDetail:
        """A job and how far it is."""
        return service.get(actor.tenant_id, replay_id)

    @router.post("/replays/{replay_id}/confirm", responses=_NOT_NOW)
    def confirm_replay(replay_id: UUID, actor: replayer, given: ReplayChangeInput | None = None) -> Replay:
        """Let a job run that waits for confirmation."""
        return service.change(actor, replay_id, "confirm", given or ReplayChangeInput())

    @router.post("/replays/{replay_id}/pause", responses=_NOT_NOW)
    def pause_replay(replay_id: UUID, actor: replayer, given: ReplayChangeInput | None = None) -> Replay:
        """Publish no more for now; a batch that is written down is brought to its end."""
        return service.change(actor, replay_id, "pause", given or ReplayChangeInput())

    @router.post("/replays/{replay_id}/resume", responses=_NOT_NOW)
    def resume_replay(replay_id: UUID, actor: replayer, given: ReplayChangeInput | None = None) -> Replay:
        """Go on; failures of before count no longer."""
        return service.change(actor, replay_id, "resume", given or ReplayChangeInput())

    @router.post("/replays/{replay_id}/stop", responses=_NOT_NOW)
    def stop_replay(replay_id: UUID, actor: replayer, given: ReplayChangeInput | None = None) -> Replay:
        """End a job; what it has published stays."""
        return service.change(actor, replay_id, "stop", given or ReplayChangeInput())

    _record_routes(router, service, replayer)

    @router.get("/replays/{replay_id}/progress", response_class=StreamingResponse, responses=_PROGRESS)
    async def watch_replay(
        request: Request, replay_id: UUID, actor: replayer, last_event_id: _LastEventId = None
    ) -> StreamingResponse:
        """The job whenever it changes, until it ends."""
        await progress.require_job(actor.tenant_id, replay_id)
        require_event_stream(request)
        seen = progress.open(actor.tenant_id, last_event_id)
        events = progress.events(actor.tenant_id, replay_id, seen, lambda: requirement(request))
        return EventStream(events, partial(progress.close, actor.tenant_id))

    return router


def _record_routes(router: APIRouter, service: ReplayService, replayer: Any) -> None:
    @router.get("/replays/{replay_id}/records")
    def list_replay_records(
        replay_id: UUID, wanted: Annotated[ReplayRecordFilter, Query()], actor: replayer
    ) -> Page[ReplayRecord]:
        """What became of each selected delivery, in the order of the job."""
        return service.records(actor.tenant_id, replay_id, wanted)

    @router.get("/replays/{replay_id}/records/export", response_class=StreamingResponse, responses=EXPORT_ANSWERS)
    def export_replay_records(
        replay_id: UUID, wanted: Annotated[ReplayRecordExport, Query()], actor: replayer
    ) -> ExportResponse:
        """The same as a file, CSV or JSON Lines."""
        return service.export(actor.tenant_id, replay_id, wanted)
