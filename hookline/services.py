"""Kafka and Postgres under a stack: our own child processes, or services that run already."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from hookline.embedded.jars import ensure_kafka_jars
from hookline.embedded.kafka import KafkaBroker, start_kafka
from hookline.embedded.postgres import PostgresServer, start_postgres
from hookline.stack_folder import StackFolder
from hookline.supervisor import Say, Supervisor
from infra.settings import KafkaSettings, Settings

SERVERS = ("kafka", "postgres")
_STOP_SECONDS = 8.0


@dataclass(frozen=True, slots=True)
class Services:
    """Where the services are. `owner_dsn` may migrate."""

    kafka: KafkaSettings
    owner_dsn: str
    embedded: bool


def external_services(settings: Settings) -> Services:
    """The services that HOOKLINE_KAFKA__BOOTSTRAP and HOOKLINE_POSTGRES__DSN name."""
    return Services(settings.kafka, settings.postgres.dsn.get_secret_value(), embedded=False)


def embedded_services(folder: StackFolder, settings: Settings, supervisor: Supervisor, say: Say) -> Services:
    """Start both at the same time and hand them to `supervisor`. Raises EmbeddedError; nothing is left running then."""
    ensure_kafka_jars()
    with ThreadPoolExecutor(max_workers=2) as pool:
        starting_kafka = pool.submit(start_kafka, folder.kafka, on_progress=say)
        starting_postgres = pool.submit(start_postgres, folder.postgres, on_progress=say)
        errors = [error for future in (starting_kafka, starting_postgres) if (error := future.exception())]
    if errors:
        for future in (starting_kafka, starting_postgres):
            if future.exception() is None:
                future.result().stop()
        raise errors[0]
    kafka, postgres = starting_kafka.result(), starting_postgres.result()
    supervisor.adopt(["postgres"], _restart_postgres(folder, postgres, say), postgres, stop_seconds=_STOP_SECONDS)
    supervisor.adopt(["kafka"], _restart_kafka(folder, kafka, say), kafka, stop_seconds=_STOP_SECONDS)
    return Services(settings.kafka.model_copy(update={"bootstrap": kafka.bootstrap}), postgres.dsn, embedded=True)


def _restart_kafka(folder: StackFolder, first: KafkaBroker, say: Say) -> Callable[[], KafkaBroker]:
    """The clients know the address, so a new one takes the same."""
    return lambda: start_kafka(folder.kafka, port=first.port, on_progress=say)


def _restart_postgres(folder: StackFolder, first: PostgresServer, say: Say) -> Callable[[], PostgresServer]:
    return lambda: start_postgres(folder.postgres, port=first.port, on_progress=say)
