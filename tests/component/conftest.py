"""Fixtures of the receiver's tests: one receiver per module, a tenant per test."""

from collections.abc import Iterator

import pytest

from hookline.embedded.kafka import KafkaBroker
from tests.support.ingress import Publisher, RunningIngress, Watcher, publishing, running_ingress


@pytest.fixture(scope="module")
def publisher(kafka: KafkaBroker) -> Iterator[Publisher]:
    with publishing(kafka.bootstrap) as publisher:
        yield publisher


@pytest.fixture(scope="module")
def ingress(kafka: KafkaBroker, publisher: Publisher) -> Iterator[RunningIngress]:
    with running_ingress(kafka.bootstrap, body_timeout_seconds=1.0) as running:
        yield running


@pytest.fixture
def watcher(kafka: KafkaBroker, publisher: Publisher) -> Iterator[Watcher]:
    watcher = Watcher(kafka.bootstrap)
    yield watcher
    watcher.close()


@pytest.fixture
def tenant(publisher: Publisher) -> Publisher:
    """A tenant of this test's own."""
    return Publisher(publisher.settings, publisher.producer)
