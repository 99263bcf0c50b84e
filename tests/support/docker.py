"""Whether a Docker engine answers, for the tests marked `docker`."""

from __future__ import annotations

from pathlib import Path

import pytest

from hookline.embedded import doctor

COMPOSE_FILE = Path(__file__).resolve().parents[2] / "docker-compose.kafka.yml"


@pytest.fixture(scope="session")
def docker_engine() -> str:
    """What the engine says of itself; without one the test is skipped, with the reason."""
    engine = doctor.docker_engine()
    if not engine.ok:
        pytest.skip(f"needs a Docker engine: {engine.detail.removesuffix('; not needed')}")
    return engine.detail
