"""The command's client against a server that answers as the API may, and as it never does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from fastapi import FastAPI, Request, Response

from hookline.errors import CommandError, NotReadyError, WorkFailedError
from hookline.management_client import ManagementClient
from infra.health import HttpServer

ERROR = (
    '{"error": {"code": "validation_error", "message": "the request is not valid", "details": '
    '[{"path": "slug", "message": "slug is required"}, {"path": "", "message": "must be an object"}]}}'
)


@dataclass
class Scripted:
    """Answers given in turn, the last one again and again; what was asked is kept."""

    url: str = ""
    answers: list[Response] = field(default_factory=list)
    asked: list[Request] = field(default_factory=list)

    def next(self, request: Request) -> Response:
        self.asked.append(request)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.fixture
def server() -> Iterator[Scripted]:
    scripted = Scripted()
    application = FastAPI()

    @application.api_route("/{path:path}", methods=["GET", "PUT", "DELETE"])
    def answer(request: Request) -> Response:
        return scripted.next(request)

    running = HttpServer(application, host="127.0.0.1", port=0)
    running.start()
    scripted.url = f"http://127.0.0.1:{running.port}"
    yield scripted
    running.stop(5)


def busy() -> Response:
    return Response(ERROR, 429, {"Retry-After": "0"}, "application/json")


def test_what_is_over_the_rate_is_asked_again_within_a_bound(server: Scripted) -> None:
    server.answers = [busy(), busy(), Response('{"found": 1}', media_type="application/json")]
    with ManagementClient(server.url + "/", "ixk_k") as client:
        assert client.call("GET", "/things", parameters={"page": 1}) == {"found": 1}
        assert [str(request.url) for request in server.asked] == [f"{server.url}/api/v1/things?page=1"] * 3
        server.asked, server.answers = [], [busy()]
        with pytest.raises(WorkFailedError, match=r"\(429\)"):
            client.call("GET", "/things")
    assert len(server.asked) == 4


def test_a_call_shows_the_key_and_the_version_it_is_about(server: Scripted) -> None:
    server.answers = [Response(status_code=204)]
    with ManagementClient(server.url, "ixk_k") as client:
        assert client.call("DELETE", "/things/1", if_match='"3"') is None
    [request] = server.asked
    assert (request.headers["authorization"], request.headers["if-match"]) == ("Bearer ixk_k", '"3"')


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (
            Response(ERROR, 400, media_type="application/json"),
            WorkFailedError,
            "the request is not valid (400)\n  slug: slug is required\n  the body: must be an object",
        ),
        (
            Response(ERROR, 503, media_type="application/json"),
            NotReadyError,
            "the request is not valid (503)\n  slug: ",
        ),
        (Response("<html>", 502), WorkFailedError, "the management API answered 502"),
        (Response("[]", 404, media_type="application/json"), WorkFailedError, "the management API answered 404"),
        (Response(status_code=302, headers={"Location": "/"}), WorkFailedError, "the management API answered 302"),
        (Response("<html>"), WorkFailedError, "answers without JSON: is the management API there?"),
    ],
)
def test_whatever_is_no_success_is_said_in_words(
    server: Scripted, answer: Response, kind: type[CommandError], words: str
) -> None:
    server.answers = [answer]
    with ManagementClient(server.url, "ixk_k") as client, pytest.raises(kind) as refusal:
        client.call("GET", "/things")
    assert words in str(refusal.value)
    assert "ixk_k" not in str(refusal.value)
