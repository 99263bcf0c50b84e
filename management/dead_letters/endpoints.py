"""GET /dead-letters and /dead-letters/{letter_id}; POST …/redrive of one or many, POST …/dismiss."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from management.access import Access, Actor
from management.dead_letters.schemas import (
    DeadLetter,
    DeadLetterDetail,
    DeadLetterFilter,
    LetterDismissal,
    LetterRedrive,
    ManyRedrives,
    Redriven,
    RedriveSummary,
)
from management.dead_letters.service import DeadLetterService
from management.log_pages import LogPage

_ONE = "/dead-letters/{letter_id}"
_DECIDED: dict[int | str, dict[str, Any]] = {409: {"description": "Something was done with it, or nothing can be"}}
_GONE: dict[int | str, dict[str, Any]] = {
    **_DECIDED,
    410: {"description": "Its record is kept no longer, or may not be seen any more"},
}


def dead_letter_routes(service: DeadLetterService, access: Access) -> APIRouter:
    """The routes of the resource. A letter has a delivery's body in it, and to try it again is a replay."""
    reader = Annotated[Actor, Depends(access.require("delivery:read"))]
    replayer = Annotated[Actor, Depends(access.require("inbound_webhook:replay"))]
    router = APIRouter(tags=["dead letters"])

    @router.get("/dead-letters")
    def list_dead_letters(wanted: Annotated[DeadLetterFilter, Query()], actor: reader) -> LogPage[DeadLetter]:
        """Requests and actions that could not be processed, newest first, for as long as their topics keep them."""
        return service.page(actor.tenant_id, wanted)

    @router.post("/dead-letters/redrive", status_code=202)
    def redrive_dead_letters(given: ManyRedrives, actor: replayer) -> RedriveSummary:
        """Give many another try; what cannot be is said of each, and the others go on."""
        return service.redrive_many(actor, given)

    @router.get(_ONE)
    def get_dead_letter(letter_id: str, actor: reader) -> DeadLetterDetail:
        """One letter with its record, what went wrong, and what was done with it."""
        return service.get(actor.tenant_id, letter_id)

    @router.post(_ONE + "/redrive", status_code=202, responses=_GONE)
    def redrive_dead_letter(letter_id: str, given: LetterRedrive, actor: replayer) -> Redriven:
        """Publish the request, or the action, again, as it is or changed."""
        return service.redrive(actor, letter_id, given)

    @router.post(_ONE + "/dismiss", responses=_DECIDED)
    def dismiss_dead_letter(letter_id: str, given: LetterDismissal, actor: replayer) -> DeadLetter:
        """Say that nothing is to be done with it; it stays in the list."""
        return service.dismiss(actor, letter_id, given)

    return router
