"""/healthz, /readyz and /metrics over HTTP, for a role alone or as routes of a role that serves HTTP anyway."""

import socket
import threading
from collections.abc import Sequence
from typing import Any

import uvicorn
from fastapi import APIRouter, FastAPI, Response
from fastapi.responses import JSONResponse

from infra import metrics
from infra.errors import SettingsError
from infra.role import Part, PartHealth

_BACKLOG_CONNECTIONS = 128


class HttpServer:
    """An ASGI application on uvicorn in a thread of its own; `port` is known before `start` returns."""

    def __init__(self, application: FastAPI, *, host: str, port: int) -> None:
        self._application = application
        self._host = host
        self._asked_port = port
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self._socket: socket.socket | None = None

    @property
    def port(self) -> int:
        """The port listened on; the asked one before `start` (0: not chosen yet)."""
        return self._socket.getsockname()[1] if self._socket is not None else self._asked_port

    @property
    def serving(self) -> bool:
        """Whether requests are being answered."""
        return (
            self._server is not None and self._server.started and self._thread is not None and self._thread.is_alive()
        )

    def start(self) -> None:
        """Bind and serve. Raises SettingsError when the address cannot be bound."""
        listener = socket.socket(socket.AF_INET6 if ":" in self._host else socket.AF_INET)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((self._host, self._asked_port))
            listener.listen(_BACKLOG_CONNECTIONS)
        except OSError as error:
            listener.close()
            raise SettingsError(f"cannot listen on {self._host}:{self._asked_port}: {error.strerror}") from error
        self._socket = listener
        config = uvicorn.Config(
            self._application,
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            proxy_headers=False,  # the application knows which proxies to believe
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [listener]}, name="http-server", daemon=True
        )
        self._thread.start()

    def stop(self, timeout_seconds: float) -> None:
        """Finish the requests in flight, close the port."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join(timeout_seconds)
            self._server.force_exit = self._thread.is_alive()
            self._thread.join(1.0)
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def health_routes(parts: Sequence[Part]) -> APIRouter:
    """The three routes; /readyz answers 503 while any part is not ready and says why, per part."""
    router = APIRouter()

    @router.get("/healthz", include_in_schema=False)
    def alive() -> dict[str, str]:
        return {"status": "alive"}

    @router.get("/readyz", include_in_schema=False)
    def ready() -> JSONResponse:
        states = [part.health() for part in parts]
        everything_ready = all(state.ready for state in states)
        content = {"ready": everything_ready, "parts": [part_as_json(state) for state in states]}
        return JSONResponse(content, status_code=200 if everything_ready else 503)

    @router.get("/metrics", include_in_schema=False)
    def prometheus() -> Response:
        for part in parts:
            show_ready(part.health())
        return Response(metrics.render(), media_type=metrics.CONTENT_TYPE)

    return router


def show_ready(state: PartHealth) -> None:
    """Put into the metrics whether the part is ready."""
    metrics.PART_READY.labels(state.name).set(int(state.ready))


def part_as_json(state: PartHealth) -> dict[str, Any]:
    """A part's state as /readyz and /status show it."""
    return {
        "name": state.name,
        "ready": state.ready,
        "reasons": list(state.reasons),
        "lag_records": state.lag_records,
        "last_commit_at_us": state.last_commit_at_us,
        "details": dict(state.details),
    }


class HealthServer:
    """Serves the health of `parts` for a process without an HTTP interface of its own."""

    def __init__(self, host: str, port: int, parts: Sequence[Part]) -> None:
        application = FastAPI(openapi_url=None)
        application.include_router(health_routes(parts))
        self._server = HttpServer(application, host=host, port=port)

    @property
    def port(self) -> int:
        """The port listened on."""
        return self._server.port

    def start(self) -> None:
        """Returns at once; the port is bound, requests wait in its backlog until they are served."""
        self._server.start()

    def stop(self, timeout_seconds: float) -> None:
        """Close the port."""
        self._server.stop(timeout_seconds)
