"""POST /operator/sql: the operator's statements, where the embedded engine's folder is open in this process.

It reads every tenant's rows, so it is no part of the API: off unless the stack names a file with a token that only its
owner may read, for callers on this machine's loopback alone, and never through a proxy.
"""

import hmac
import ipaddress
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import ValidationError

from infra.clickhouse import ClickHouse
from infra.errors import ClickHouseUnavailableError
from infra.settings import Settings
from infra.sql.frames import MEDIA_TYPE, error_frame, frames_of
from infra.sql.reader import SqlQuestion, SqlReader
from management.answers import answer_of
from management.errors import NotFoundError, Problem, ValidationFailedError
from management.request_body import read_body

PATH = "/operator/sql"
#: Statements at the same time; the API's own questions share the engine.
STATEMENTS_MAX = 2


class OperatorSql:
    """The route and its bound."""

    def __init__(self, settings: Settings, clickhouse: ClickHouse) -> None:
        self._token_file = settings.management.operator_token_file
        self._reader = SqlReader(clickhouse, settings.clickhouse)
        self._slots = threading.BoundedSemaphore(STATEMENTS_MAX)
        self._stopping = threading.Event()

    def routes(self) -> APIRouter:
        """None of them in the document of the API. Whoever may not ask is told that nothing is here."""
        router = APIRouter()

        @router.post(PATH, include_in_schema=False)
        async def ask(request: Request) -> Response:
            if self._token_file is None or not _may_ask(request, self._token_file):
                return answer_of(NotFoundError("Not Found"))
            body = await read_body(request.headers.get("content-length"), request.receive)
            try:
                question = SqlQuestion.model_validate_json(body or b"")
            except ValidationError as error:
                problems = [Problem(".".join(map(str, found["loc"])), found["msg"]) for found in error.errors()]
                return answer_of(ValidationFailedError(problems))
            return StreamingResponse(self._answer(question), media_type=MEDIA_TYPE)

        return router

    def release(self) -> None:
        """Have every answer end at its next batch, so that the server can end."""
        self._stopping.set()

    def _answer(self, question: SqlQuestion) -> Iterator[bytes]:
        """The slot is taken here: an answer whose client went away before it began would never give it back."""
        if not self._slots.acquire(blocking=False):
            yield error_frame(ClickHouseUnavailableError(f"{STATEMENTS_MAX} statements are being answered already"))
            return
        try:
            with closing(self._reader.read(question)) as batches:
                for frame in frames_of(batches):
                    if self._stopping.is_set():
                        return
                    yield frame
        finally:
            self._slots.release()


def _may_ask(request: Request, token_file: Path) -> bool:
    """From loopback, not handed on by a proxy, and with the token; the file is read anew, so a new stack's counts."""
    peer = request.client.host if request.client is not None else ""
    forwarded = {"forwarded", "x-forwarded-for", "via"} & set(request.headers)
    try:
        token = token_file.read_text(encoding="utf-8").strip()
        near = ipaddress.ip_address(peer).is_loopback
    except (OSError, ValueError):
        return False
    shown = request.headers.get("authorization", "").removeprefix("Bearer ")
    return near and not forwarded and bool(token) and hmac.compare_digest(shown.encode(), token.encode())
