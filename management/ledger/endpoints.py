"""GET /ledger, /ledger/differences and /ledger/verification."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from management.access import Access, Actor
from management.ledger.schemas import (
    KeptDifference,
    LedgerDifferenceFilter,
    LedgerEntry,
    LedgerFilter,
    LedgerVerification,
    VerificationRequest,
)
from management.ledger.service import LedgerService
from management.paging import Page


def ledger_routes(service: LedgerService, access: Access) -> APIRouter:
    """The routes of the resource."""
    reader = Annotated[Actor, Depends(access.require("ledger:read"))]
    router = APIRouter(tags=["ledger"])

    @router.get("/ledger")
    def list_ledger_entries(wanted: Annotated[LedgerFilter, Query()], actor: reader) -> Page[LedgerEntry]:
        """Hours as they were entered, the newest entry first."""
        return service.page(actor.tenant_id, wanted)

    @router.get("/ledger/differences")
    def list_ledger_differences(
        wanted: Annotated[LedgerDifferenceFilter, Query()], actor: reader
    ) -> Page[KeptDifference]:
        """What did not agree when the ledger was examined, newest first."""
        return service.differences(actor.tenant_id, wanted)

    @router.get("/ledger/verification")
    def verify_ledger(wanted: Annotated[VerificationRequest, Query()], actor: reader) -> LedgerVerification:
        """Work out every hash anew, count hours anew from the log, and look for every offset that the topics keep."""
        return service.verify(actor.tenant_id, wanted)

    return router
