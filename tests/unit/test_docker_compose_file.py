"""What can be known of docker-compose.kafka.yml without Docker."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

FILE = Path(__file__).resolve().parents[2] / "docker-compose.kafka.yml"
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(FILE.read_text())["services"]


def test_it_has_the_four_services() -> None:
    assert set(SERVICES) == {"kafka", "postgres", "clickhouse", "valkey"}


@pytest.mark.parametrize("name", SERVICES)
def test_every_image_is_pinned_to_a_full_version(name: str) -> None:
    assert re.fullmatch(r"[a-z/-]+:\d+(\.\d+)+", SERVICES[name]["image"])


def test_the_docker_broker_is_the_same_version_as_the_embedded_one() -> None:
    version = SERVICES["kafka"]["image"].partition(":")[2]
    lock = FILE.parent / "hookline" / "embedded" / "kafka-jars.lock"
    assert f"org.apache.kafka:kafka_2.13:{version} " in lock.read_text()


@pytest.mark.parametrize("name", SERVICES)
def test_every_port_is_published_on_the_loopback_address_only(name: str) -> None:
    ports = SERVICES[name]["ports"]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_has_a_healthcheck_and_keeps_its_data_in_a_volume(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"]
    assert SERVICES[name]["volumes"]


def test_every_password_comes_from_the_environment_and_has_no_default() -> None:
    mentions = re.findall(r"\$\{(\w*PASSWORD)([^}]*)\}", FILE.read_text())
    assert {name for name, _ in mentions} == {
        "HOOKLINE_POSTGRES_PASSWORD",
        "HOOKLINE_CLICKHOUSE_PASSWORD",
        "HOOKLINE_VALKEY_PASSWORD",
    }
    assert all(rest == f":?set {name}" for name, rest in mentions)
