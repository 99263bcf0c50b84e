"""Containers of the services as docker-compose.kafka.yml pins them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import yaml
from testcontainers.community.clickhouse import ClickHouseContainer
from testcontainers.community.postgres import PostgresContainer
from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import ExecWaitStrategy

from hookline.embedded import ports
from tests.support.docker import COMPOSE_FILE

START_SECONDS_MAX = 180
KAFKA_PORT = 9092
CLICKHOUSE_HTTP_PORT = 8123
USER = DATABASE = "hookline"


def compose_service(name: str) -> dict[str, Any]:
    """The service as docker-compose.kafka.yml has it."""
    service: dict[str, Any] = yaml.safe_load(COMPOSE_FILE.read_text("utf-8"))["services"][name]
    return service


@contextmanager
def kafka_container() -> Iterator[str]:
    """The bootstrap address of a broker set up as in the compose file, empty.

    Not the KafkaContainer of testcontainers: that one fits Confluent's images only. A broker must know its address
    before it starts, hence a port chosen here.
    """
    service = compose_service("kafka")
    container = DockerContainer(service["image"])
    # From get_docker_client(): get_container_host_ip() may ask the container, which does not run yet.
    address = f"{container.get_docker_client().host()}:{ports.pick_free(1)[0]}"
    advertised = f"HOST://{address},INTERNAL://kafka:19092"
    container.with_envs(**service["environment"] | {"KAFKA_ADVERTISED_LISTENERS": advertised})
    container.with_bind_ports(KAFKA_PORT, int(address.rpartition(":")[2]))
    container.with_kwargs(hostname="kafka")
    # "CMD" and the command: the same check that `docker compose up --wait` waits for.
    check = service["healthcheck"]["test"][1:]
    container.waiting_for(ExecWaitStrategy(check).with_startup_timeout(START_SECONDS_MAX))
    with container:
        yield address


@contextmanager
def postgres_container(password: str) -> Iterator[str]:
    """A superuser's DSN of a new server."""
    image = compose_service("postgres")["image"]
    with PostgresContainer(image, username=USER, password=password, dbname=DATABASE, driver=None) as container:
        yield container.get_connection_url()


@contextmanager
def clickhouse_container(password: str) -> Iterator[tuple[str, Any]]:
    """The DSN of a new server's HTTP port, and docker's handle of its container.

    The port is chosen here, since one of Docker's choice changes when a container is started again.
    """
    image = compose_service("clickhouse")["image"]
    container = ClickHouseContainer(image, username=USER, password=password, dbname=DATABASE)
    container.with_bind_ports(CLICKHOUSE_HTTP_PORT, ports.pick_free(1)[0])
    with container:
        address = f"{container.get_container_host_ip()}:{container.get_exposed_port(CLICKHOUSE_HTTP_PORT)}"
        yield f"clickhouse://{USER}:{password}@{address}/{DATABASE}", container.get_wrapped_container()
