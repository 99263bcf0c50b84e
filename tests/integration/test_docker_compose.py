"""docker-compose.kafka.yml brings up four services that answer."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import psycopg
import pytest
from confluent_kafka.admin import AdminClient

from hookline.embedded import ports
from tests.support.docker import COMPOSE_FILE

UP_SECONDS_MAX = 600

pytestmark = [pytest.mark.docker, pytest.mark.timeout(UP_SECONDS_MAX + 120)]


@dataclass(frozen=True)
class Services:
    password: str
    kafka: int
    postgres: int
    clickhouse: int
    valkey: int


@pytest.fixture(scope="module")
def services(docker_engine: str) -> Iterator[Services]:
    docker = shutil.which("docker")
    assert docker is not None
    if subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode != 0:
        pytest.skip("the docker command here has no compose plugin")
    running = Services(secrets.token_urlsafe(16), *ports.pick_free(4))
    environment = os.environ | {
        "HOOKLINE_POSTGRES_PASSWORD": running.password,
        "HOOKLINE_CLICKHOUSE_PASSWORD": running.password,
        "HOOKLINE_VALKEY_PASSWORD": running.password,
        "HOOKLINE_KAFKA_PORT": str(running.kafka),
        "HOOKLINE_POSTGRES_PORT": str(running.postgres),
        "HOOKLINE_CLICKHOUSE_HTTP_PORT": str(running.clickhouse),
        "HOOKLINE_VALKEY_PORT": str(running.valkey),
    }
    project = f"hookline-test-{uuid.uuid4().hex[:8]}"
    compose = [docker, "compose", "--file", str(COMPOSE_FILE), "--project-name", project]
    try:
        up = [*compose, "up", "--detach", "--wait", "--wait-timeout", str(UP_SECONDS_MAX)]
        done = subprocess.run(up, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        yield running
    finally:
        subprocess.run([*compose, "down", "--volumes"], env=environment, capture_output=True, check=False)


def test_kafka_answers_on_its_published_port(services: Services) -> None:
    metadata = AdminClient({"bootstrap.servers": f"127.0.0.1:{services.kafka}"}).list_topics(timeout=20)
    assert [(broker.host, broker.port) for broker in metadata.brokers.values()] == [("127.0.0.1", services.kafka)]


def test_postgres_takes_the_password(services: Services) -> None:
    dsn = f"postgresql://hookline:{services.password}@127.0.0.1:{services.postgres}/hookline"
    with psycopg.connect(dsn) as connection:
        version = connection.execute("SELECT current_setting('server_version_num')::int / 10000").fetchone()
    assert version == (18,)


def test_clickhouse_takes_the_password(services: Services) -> None:
    answer = httpx.post(
        f"http://127.0.0.1:{services.clickhouse}/", content="SELECT 1", auth=("hookline", services.password)
    )
    assert answer.text.strip() == "1"


def test_valkey_takes_the_password(services: Services) -> None:
    with socket.create_connection(("127.0.0.1", services.valkey), timeout=10) as connection:
        connection.sendall(f"AUTH {services.password}\r\nPING\r\n".encode())
        answer = b""
        while b"PONG" not in answer:
            part = connection.recv(100)
            assert part, answer
            answer += part
    assert answer == b"+OK\r\n+PONG\r\n"
