"""The outer layer of the API over HTTP: bounds on what comes in, the error format to the last error, headers, docs."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from typing import Annotated, Any

import httpx
import psycopg
import pytest
from fastapi import APIRouter, Body

from infra.health import HttpServer
from management.api import build_application
from management.boundary import API
from management.request_body import BODY_BYTES_MAX, DRAINED_BYTES_MAX

JSON = {"Content-Type": "application/json"}
SECRET = "the-secret-of-a-row"


def _routes() -> APIRouter:
    router = APIRouter()

    @router.post("/things")
    def echo(body: Annotated[Any, Body()]) -> int:
        return len(str(body))

    @router.get("/things")
    def things(search: str = "") -> str:
        return search

    @router.delete("/things/{thing_id}")
    def broken(thing_id: int) -> None:
        raise RuntimeError(f"{SECRET} {thing_id}")

    @router.get("/slow")
    def slow() -> None:
        raise psycopg.errors.QueryCanceled(SECRET)

    return router


@pytest.fixture(scope="module")
def address() -> Iterator[tuple[str, int]]:
    server = HttpServer(build_application([_routes()], []), host="127.0.0.1", port=0)
    server.start()
    yield "127.0.0.1", server.port
    server.stop(5)


@pytest.fixture(scope="module")
def api(address: tuple[str, int]) -> Iterator[httpx.Client]:
    base = f"http://{address[0]}:{address[1]}{API}"
    with httpx.Client(base_url=base, trust_env=False, timeout=30) as client:
        yield client


def code(answer: httpx.Response) -> str:
    error = answer.json()["error"]
    assert set(error) == {"code", "message", "details"}
    return str(error["code"])


def test_a_body_up_to_the_cap_is_taken_and_no_larger_one(api: httpx.Client) -> None:
    text = '"' + "x" * (BODY_BYTES_MAX - 2) + '"'
    assert api.post("/things", content=text, headers=JSON).status_code == 200
    larger = api.post("/things", content=text + " ", headers=JSON)
    assert (larger.status_code, code(larger)) == (413, "body_too_large")


def test_a_body_without_end_is_answered_and_cut_off(address: tuple[str, int]) -> None:
    """The answer comes at the cap, while the client would send on for ever; then the connection ends."""
    chunk = b"10000\r\n" + b" " * 65_536 + b"\r\n"
    with socket.create_connection(address, timeout=30) as connection:
        connection.sendall(
            b"POST /api/v1/things HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        for _ in range(17):
            connection.sendall(chunk)
        answer = connection.recv(65_536)
        while b"body_too_large" not in answer:
            answer += connection.recv(65_536)
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert b"connection: close" in answer.lower()
        with pytest.raises(OSError, match=r"reset|Broken pipe|aborted"):
            send_on(connection, chunk, 2 * DRAINED_BYTES_MAX)


def send_on(connection: socket.socket, chunk: bytes, size: int) -> None:
    for _ in range(size // len(chunk) + 1_000):
        connection.sendall(chunk)


@pytest.mark.parametrize("levels", [101, 1_000, 100_000])
def test_a_deeply_nested_body_is_refused_and_breaks_nothing(api: httpx.Client, levels: int) -> None:
    answer = api.post("/things", content=b"[" * levels + b"]" * levels, headers=JSON)
    assert (answer.status_code, code(answer)) == (400, "validation_error")
    assert api.post("/things", content=b"[" * 100 + b"]" * 100, headers=JSON).status_code == 200


@pytest.mark.parametrize("body", [b"{", b"NaN", b'"\\u0000"', b'"\\ud800"', b"\xff", b"9" * 5_000])
def test_a_body_that_is_not_to_be_worked_with_is_the_callers_fault(api: httpx.Client, body: bytes) -> None:
    answer = api.post("/things", content=body, headers=JSON)
    assert (answer.status_code, code(answer)) == (400, "validation_error")


def test_a_nul_in_the_address_is_the_callers_fault(api: httpx.Client) -> None:
    for answer in (api.get("/things?search=a%00b"), api.get("/things%00")):
        assert (answer.status_code, code(answer)) == (400, "validation_error")


def test_an_error_nobody_expected_says_nothing_and_leaves_its_place_in_the_log(
    api: httpx.Client, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = api.delete("/things/7", headers={"X-Request-Id": "request-0815"})
    assert (answer.status_code, code(answer)) == (500, "internal")
    assert SECRET not in answer.text
    assert "RuntimeError" not in answer.text
    assert answer.headers["X-Request-Id"] == "request-0815"
    captured = capsys.readouterr()
    logged = captured.out + captured.err
    assert "request-0815" in logged
    assert "RuntimeError" in logged
    assert "test_management_boundary.py" in logged
    assert SECRET not in logged


def test_a_statement_over_its_time_is_worth_another_try(api: httpx.Client) -> None:
    answer = api.get("/slow")
    assert (answer.status_code, code(answer)) == (503, "unavailable")
    assert int(answer.headers["Retry-After"]) >= 1
    assert SECRET not in answer.text


def test_another_method_is_told_all_that_a_path_takes(api: httpx.Client) -> None:
    answer = api.put("/things")
    assert (answer.status_code, code(answer)) == (405, "method_not_allowed")
    assert answer.headers["Allow"] == "GET, POST"
    assert code(api.get("/things/")) == "not_found"


def test_every_answer_of_the_api_has_the_headers_that_browsers_heed(api: httpx.Client) -> None:
    for answer in (api.get("/things"), api.get("/nothing"), api.delete("/things/7"), api.get("/openapi.json")):
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert answer.headers["X-Request-Id"]


def test_a_request_id_that_is_none_is_replaced(api: httpx.Client) -> None:
    for given in ("x", "a b c d e f g h", "é" * 8, "y" * 65):
        made = api.get("/things", headers=[(b"X-Request-Id", given.encode("latin-1"))]).headers["X-Request-Id"]
        assert re.fullmatch(r"[0-9a-f-]{36}", made)


def test_the_docs_need_no_other_host(api: httpx.Client) -> None:
    page = api.get("/docs")
    assert page.headers["Content-Type"].startswith("text/html")
    policy = page.headers["Content-Security-Policy"]
    assert "script-src 'self';" in policy
    assert "://" not in policy
    assert "://" not in page.text
    named = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(named) == 3
    for path in named:
        file = api.get(f"/{path}")
        assert file.status_code == 200
        assert file.headers["Content-Type"].startswith("text/css" if path.endswith("css") else "text/javascript")
    assert "<script>" not in page.text
    assert 'url: "openapi.json"' in api.get("/docs/start.js").text
    assert api.get("/openapi.json").json()["openapi"].startswith("3.1")
