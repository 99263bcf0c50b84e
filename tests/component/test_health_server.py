"""Health over HTTP says which part is not ready, and why."""

import httpx
import pytest

from infra.errors import SettingsError
from infra.health import HealthServer
from infra.role import PartHealth


class StatedPart:
    """A part whose health is what the test says."""

    def __init__(self, state: PartHealth) -> None:
        self.name = state.name
        self.state = state

    def start(self) -> None: ...

    def stop(self, timeout_seconds: float) -> None: ...

    def health(self) -> PartHealth:
        return self.state


def test_not_ready_names_the_part_and_its_reasons_until_it_recovers() -> None:
    calm = StatedPart(PartHealth("actions", ready=True, lag_records=0, last_commit_at_us=5))
    waiting = StatedPart(PartHealth("analytics", ready=False, reasons=("ClickHouse: connection refused",)))
    server = HealthServer("127.0.0.1", 0, [calm, waiting])
    server.start()
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", trust_env=False) as client:
            assert client.get("/healthz").json() == {"status": "alive"}
            answer = client.get("/readyz")
            assert answer.status_code == 503
            by_name = {part["name"]: part for part in answer.json()["parts"]}
            assert by_name["analytics"]["reasons"] == ["ClickHouse: connection refused"]
            assert by_name["actions"]["ready"] is True
            assert by_name["actions"]["last_commit_at_us"] == 5
            waiting.state = PartHealth("analytics", ready=True)
            assert client.get("/readyz").status_code == 200
            assert client.get("/readyz").json()["ready"] is True
            assert "hookline_analytics_rows" in client.get("/metrics").text
    finally:
        server.stop(5)


def test_a_stopped_server_has_let_its_port_go_and_can_be_followed_by_another() -> None:
    first = HealthServer("127.0.0.1", 0, [])
    first.start()
    port = first.port
    httpx.get(f"http://127.0.0.1:{port}/healthz", trust_env=False)
    first.stop(5)
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{port}/healthz", trust_env=False)
    second = HealthServer("127.0.0.1", port, [])
    second.start()
    assert httpx.get(f"http://127.0.0.1:{port}/healthz", trust_env=False).status_code == 200
    second.stop(5)


def test_a_port_in_use_is_said_in_words() -> None:
    first = HealthServer("127.0.0.1", 0, [])
    first.start()
    httpx.get(f"http://127.0.0.1:{first.port}/healthz", trust_env=False)
    with pytest.raises(SettingsError, match=f"cannot listen on 127.0.0.1:{first.port}"):
        HealthServer("127.0.0.1", first.port, []).start()
    first.stop(5)
