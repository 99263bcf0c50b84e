"""Role `management`: the API of one process, with the state of the parts that run beside it."""

import gc
from collections.abc import Sequence

from infra import metrics
from infra.clickhouse import ClickHouse
from infra.errors import ClickHouseRefusedError, ClickHouseUnavailableError, PostgresUnavailableError
from infra.health import HttpServer, health_routes
from infra.postgres import Pool, open_pool, unavailability_translated
from infra.role import PartHealth, Role
from infra.secretbox import load_secret_box
from infra.settings import Settings
from management.alerting.job import AlertJob
from management.api import build_application
from management.configuration.relay import ConfigurationRelay
from management.dead_letters.index import DeadLetterIndex
from management.dead_letters.service import DeadLetterService
from management.delivery_replays.service import DeliveryReplayService
from management.delivery_stream.service import DeliveryStreamService
from management.domain_events.relay import DomainEventRelay
from management.erasures.work import ErasureWork
from management.group_watch import GroupWatch
from management.ledger.bookkeeping import Bookkeeping
from management.operator_sql import OperatorSql
from management.replay_jobs.work import ReplayWork
from management.replaying.forgetting import ReplayForgetting
from management.replays.progress import ReplayProgress
from management.resources import build_resources
from management.retention.work import RetentionWork
from management.status import SystemStatus
from management.testing import Testing

_PROBE = b"SELECT 1"
_PROBE_SECONDS = 2.0


class ManagementRole:
    """Implements `infra.role.Role`. `parts` are the roles of the same process, without this one."""

    name = "management"

    def __init__(self, settings: Settings, clickhouse: ClickHouse, parts: Sequence[Role]) -> None:
        self._settings = settings
        self._clickhouse = clickhouse
        self._parts = parts
        self._pool: Pool | None = None
        self._server: HttpServer | None = None
        self._watch: GroupWatch | None = None
        self._jobs: list[Role] = [ConfigurationRelay(settings), DomainEventRelay(settings)]
        self._testing: Testing | None = None
        self._stream: DeliveryStreamService | None = None
        self._letters: DeadLetterService | None = None
        self._progress: ReplayProgress | None = None
        self._replays: DeliveryReplayService | None = None
        self._operator_sql = OperatorSql(settings, clickhouse)

    @property
    def port(self) -> int:
        """The port listened on."""
        return self._settings.management.port if self._server is None else self._server.port

    def start(self) -> None:
        """Returns at once, also while the stores are away. Raises SettingsError when the port cannot be bound."""
        self._pool = open_pool(self._settings.postgres)
        resources = build_resources(self._settings, self._pool, self._clickhouse)
        self._progress = resources.progress
        self._testing, self._stream, self._replays = resources.testing, resources.stream, resources.replays
        self._letters = resources.letters
        self._watch = GroupWatch(self._settings)
        self._jobs += self._led_works(self._pool, self._watch)
        everyone: list[Role] = [self, *self._jobs, *self._parts]
        status = SystemStatus(self._watch, everyone)
        self._watch.start()
        operations = [health_routes(everyone), status.routes(), self._operator_sql.routes()]
        address = self._settings.management
        self._server = HttpServer(build_application(resources.routes, operations), host=address.host, port=address.port)
        self._server.start()
        for job in self._jobs:
            job.start()
        self._testing.start()
        self._stream.start()
        # What is there by now, the application above all, lives as long as the process: looking through it for garbage
        # held every request up for 90 ms, once in some sixty lists of webhooks.
        gc.collect()
        gc.freeze()

    def stop(self, timeout_seconds: float) -> None:
        """Finish the requests in flight; ClickHouse is closed by who made it."""
        self._operator_sql.release()
        for waiting in (self._testing, self._stream, self._progress):
            if waiting is not None:
                waiting.release()
        if self._server is not None:
            self._server.stop(timeout_seconds)
        for stopped in (self._testing, self._stream):
            if stopped is not None:
                stopped.stop(timeout_seconds)
        for publishing in (self._letters, self._replays):
            if publishing is not None:
                publishing.close()
        for job in self._jobs:
            job.stop(timeout_seconds)
        if self._watch is not None:
            self._watch.close()
        if self._pool is not None:
            self._pool.close(timeout_seconds)

    def health(self) -> PartHealth:
        """Ready when the API is served and both stores answer."""
        served = self._server is not None and self._server.serving
        troubles = {"clickhouse": self._clickhouse_trouble(), "postgres": self._postgres_trouble()}
        for store, trouble in troubles.items():
            metrics.STORE_AWAY.labels(store).set(int(trouble is not None))
        reasons = [] if served else ["the API is not served"]
        reasons += [trouble for trouble in troubles.values() if trouble is not None]
        details = {} if self._testing is None else dict(self._testing.faults())
        return PartHealth(self.name, ready=not reasons, reasons=tuple(reasons), details=details)

    def _led_works(self, pool: Pool, watch: GroupWatch) -> list[Role]:
        """Each is a part of its own: who looks after the installation sees which one stands still, and why."""
        works: list[Role] = [
            Bookkeeping(self._settings, pool, self._clickhouse),
            RetentionWork(self._settings.postgres, self._clickhouse),
            ErasureWork(self._settings.postgres, pool, self._clickhouse, load_secret_box(self._settings)),
            DeadLetterIndex(self._settings),
            ReplayWork(self._settings, pool, self._clickhouse, watch),
            ReplayForgetting(self._settings.postgres, pool, self._clickhouse),
        ]
        if self._settings.alerts.enabled:
            works.append(AlertJob(self._settings, self._clickhouse, watch))
        return works

    def _clickhouse_trouble(self) -> str | None:
        try:
            self._clickhouse.ping()
        except (ClickHouseUnavailableError, ClickHouseRefusedError) as error:
            return f"ClickHouse: {error}"
        return None

    def _postgres_trouble(self) -> str | None:
        if self._pool is None:
            return None
        try:
            with unavailability_translated(), self._pool.connection(timeout=_PROBE_SECONDS) as connection:
                connection.execute(_PROBE)
        except PostgresUnavailableError as error:
            return str(error)
        return None
