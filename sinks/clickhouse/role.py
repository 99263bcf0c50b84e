"""Role `analytics`: four consumers, the counting of rollups and a watch over the lag, each on a thread of its own."""

import gc
import threading
import time
from dataclasses import replace
from functools import partial

from infra import metrics
from infra.clickhouse import ClickHouse
from infra.enrichment.locations import Find, Locations
from infra.errors import ClickHouseRefusedError, ClickHouseUnavailableError, KafkaUnavailableError
from infra.groups import ANALYTICS_TOPICS
from infra.lag import LagReader
from infra.retention.days import ReadRetention
from infra.retention.settings import LiveRetention
from infra.role import PartHealth
from infra.settings import Settings
from infra.standstill import Watched
from infra.topics import RECORDED
from sinks.clickhouse.consumer import Build, RangeConsumer, Subscription
from sinks.clickhouse.core.attestations import build_attestations
from sinks.clickhouse.core.outcomes import build_outcomes
from sinks.clickhouse.core.rejections import build_rejections
from sinks.clickhouse.core.requests import build_requests
from sinks.clickhouse.rollups import RollupLoop
from sinks.clickhouse.writer import BatchWriter

SUBSCRIPTIONS = (
    Subscription("requests", ANALYTICS_TOPICS["requests"], build_requests),
    Subscription("outcomes", ANALYTICS_TOPICS["outcomes"], build_outcomes),
    Subscription("rejections", ANALYTICS_TOPICS["rejections"], build_rejections),
    Subscription("attestations", ANALYTICS_TOPICS["attestations"], build_attestations),
)
# A batch is half a million live objects (messages and their headers); the default of 700 makes the collector walk them
# all again and again, which costs a third of the time a row takes.
_COLLECTION_THRESHOLDS = (50_000, 20, 50)
_WATCH_SECONDS = 2.0
_ANSWER_SECONDS_MAX = 5.0


def _informed(subscription: Subscription, locate: Find, read_retention: ReadRetention) -> Subscription:
    """Those of the log know how long rows are kept; the one of requests finds out where addresses are, too."""
    builds: dict[str, Build] = {
        "requests": partial(build_requests, locate=locate, read_retention=read_retention),
        "outcomes": partial(build_outcomes, read_retention=read_retention),
        "rejections": partial(build_rejections, read_retention=read_retention),
    }
    return replace(subscription, build=builds.get(subscription.name, subscription.build))


class AnalyticsRole:
    """Implements `infra.role.Role`. `clickhouse` is migrated by someone else and closed by who made it."""

    name = "analytics"

    def __init__(self, settings: Settings, clickhouse: ClickHouse) -> None:
        self._settings = settings
        self._clickhouse = clickhouse
        self._stopping = threading.Event()
        writer = BatchWriter(clickhouse)
        locate = Locations(settings.enrichment.mmdb_file).find
        read_retention = LiveRetention(clickhouse)
        self._consumers = [
            RangeConsumer(
                _informed(subscription, locate, read_retention),
                writer,
                kafka=settings.kafka,
                analytics=settings.analytics,
                stopping=self._stopping,
            )
            for subscription in SUBSCRIPTIONS
        ]
        self._rollups = RollupLoop(
            clickhouse,
            settings.sla,
            interval_seconds=settings.analytics.rollup_interval_seconds,
            leads=self._leads,
            stopping=self._stopping,
        )
        self._threads: list[threading.Thread] = []
        self._lag: dict[str, int] = {}
        self._kafka_trouble: str | None = "Kafka: not asked yet"
        self._clickhouse_trouble: str | None = "ClickHouse: not asked yet"

    def start(self) -> None:
        """Start all loops; returns at once, also while Kafka or ClickHouse is away."""
        gc.set_threshold(*_COLLECTION_THRESHOLDS)
        targets = {consumer.subscription.name: consumer.run for consumer in self._consumers}
        for name, target in {**targets, "rollups": self._rollups.run, "watch": self._watch}.items():
            thread = threading.Thread(target=target, name=f"analytics-{name}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self, timeout_seconds: float) -> None:
        """Let each loop finish the insert it is in; what is not committed stays planned in Kafka."""
        self._stopping.set()
        deadline = time.monotonic() + timeout_seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def health(self) -> PartHealth:
        """Ready when Kafka and ClickHouse answer and every consumer is a member that gets on with its work."""
        reasons = [reason for reason in (self._kafka_trouble, self._clickhouse_trouble) if reason is not None]
        for consumer in self._consumers:
            reasons.extend(self._reasons_of(consumer))
        if self._rollups.trouble is not None:
            reasons.append(f"rollups: ClickHouse: {self._rollups.trouble}")
        if self._threads and not all(thread.is_alive() for thread in self._threads):
            dead = [thread.name for thread in self._threads if not thread.is_alive()]
            reasons.append(f"{', '.join(dead)} has ended")
        commits = [c.state.last_commit_at_us for c in self._consumers if c.state.last_commit_at_us is not None]
        return PartHealth(
            self.name,
            ready=not reasons,
            reasons=tuple(reasons),
            lag_records=sum(self._lag.values()) if self._lag else None,
            last_commit_at_us=max(commits, default=None),
            details={f"lag_{name}": lag for name, lag in self._lag.items()},
        )

    def consumers(self) -> tuple[Watched, ...]:
        """Each of the four, for the watch over consumers that stand still."""
        return tuple(self._watched(consumer) for consumer in self._consumers)

    def _watched(self, consumer: RangeConsumer) -> Watched:
        subscription, state = consumer.subscription, consumer.state
        return Watched(
            f"analytics-{subscription.name}",
            subscription.group_id(self._settings.analytics),
            subscription.topics,
            owned=lambda: state.owned,
            waited_at=lambda: state.waited_at,
        )

    def _leads(self) -> bool:
        """Whether this process counts the rollups: of all members of a group one has its topic's first partition."""
        return any((RECORDED, 0) in consumer.state.owned for consumer in self._consumers)

    def _reasons_of(self, consumer: RangeConsumer) -> list[str]:
        name, state = consumer.subscription.name, consumer.state
        if state.trouble is not None:
            return [f"{name}: {state.trouble}"]
        if not state.joined:
            return [f"{name}: not yet a member of its group"]
        idle_seconds = time.monotonic() - state.progress_at
        waiting = self._lag.get(name, 0)
        if waiting and idle_seconds > self._settings.analytics.stall_seconds_max:
            return [f"{name}: {waiting} records wait and nothing was committed for {idle_seconds:.0f} s"]
        return []

    def _watch(self) -> None:
        readers = {
            consumer.subscription.name: LagReader(
                self._settings.kafka,
                consumer.subscription.group_id(self._settings.analytics),
                consumer.subscription.topics,
            )
            for consumer in self._consumers
        }
        while True:
            self._clickhouse_trouble = self._ask_clickhouse()
            try:
                for consumer in self._consumers:
                    self._measure_lag(readers[consumer.subscription.name], consumer)
                self._kafka_trouble = None
            except KafkaUnavailableError as error:
                self._kafka_trouble = f"Kafka: {error}"
            if self._stopping.wait(_WATCH_SECONDS):
                break
        for reader in readers.values():
            reader.close()

    def _measure_lag(self, reader: LagReader, consumer: RangeConsumer) -> None:
        lag = sum(reader.by_topic(timeout_seconds=_ANSWER_SECONDS_MAX).values())
        if lag == 0:
            consumer.state.progress_at = time.monotonic()
        name = consumer.subscription.name
        self._lag[name] = lag
        metrics.ANALYTICS_LAG_RECORDS.labels(name).set(lag)

    def _ask_clickhouse(self) -> str | None:
        try:
            self._clickhouse.ping()
        except (ClickHouseUnavailableError, ClickHouseRefusedError) as error:
            return f"ClickHouse: {error}"
        return None
