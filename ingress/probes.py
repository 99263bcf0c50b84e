"""What is not hot: liveness, readiness and metrics as a FastAPI application, called in process."""

from collections.abc import Callable, MutableMapping, Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.responses import JSONResponse, Response

from infra import metrics
from infra.health import part_as_json
from infra.role import PartHealth
from ingress.core import answers
from ingress.core.answers import Answer
from ingress.core.http1 import Head

Message = MutableMapping[str, Any]
_NOT_FOUND = answers.build(404)
_FAILED = answers.build(500)


def build_probes(parts: Callable[[], Sequence[PartHealth]], render_metrics: Callable[[], bytes]) -> FastAPI:
    """`parts` gives the health of every worker process; the receiver is ready when all of them are."""
    probes = FastAPI(title="Hookline ingress", openapi_url=None)

    @probes.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "alive"}

    @probes.get("/readyz")
    async def readyz() -> JSONResponse:
        states = parts()
        ready = all(state.ready for state in states)
        content = {"ready": ready, "parts": [part_as_json(state) for state in states]}
        return JSONResponse(content, 200 if ready else 503)

    @probes.get("/metrics")
    async def show_metrics() -> Response:
        return Response(render_metrics(), media_type=metrics.CONTENT_TYPE)

    return probes


class AsgiBridge:
    """Calls an ASGI application in process with one whole request and collects its whole answer."""

    def __init__(self, application: FastAPI) -> None:
        self._application = application

    async def answer(self, head: Head, body: bytes) -> Answer:
        """The application's answer; 404 for a path that is not a path, 500 when it gives none."""
        if not head.path.startswith("/"):
            return _NOT_FOUND
        collected = _Collected(body)
        await self._application(_scope(head), collected.receive, collected.send)
        return collected.answer()


class _Collected:
    def __init__(self, body: bytes) -> None:
        self._body = body
        self._status = 0
        self._headers: list[tuple[bytes, bytes]] = []
        self._parts: list[bytes] = []

    async def receive(self) -> Message:
        return {"type": "http.request", "body": self._body, "more_body": False}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            self._headers = list(message.get("headers", []))
        elif message["type"] == "http.response.body":
            self._parts.append(message.get("body", b""))

    def answer(self) -> Answer:
        if not self._status:
            return _FAILED
        body = b"".join(self._parts)
        kept = [b"%s: %s\r\n" % pair for pair in self._headers if pair[0].lower() != b"content-length"]
        line, _ = answers.build(self._status)
        return line, b"%scontent-length: %d\r\n\r\n%s" % (b"".join(kept), len(body), body)


def _scope(head: Head) -> Message:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": head.method,
        "scheme": "http",
        "path": head.path,
        "raw_path": head.path.encode("latin-1"),
        "query_string": head.query.encode("latin-1"),
        "root_path": "",
        "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in head.headers.items()],
        "client": None,
        "server": None,
    }
