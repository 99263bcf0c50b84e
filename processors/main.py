"""The role `processors`: a Faust application with one agent over the batch host's batches."""

import asyncio
import contextlib
import gc
import os
import signal
from collections.abc import AsyncIterator, Callable

import uvloop
from confluent_kafka.admin import AdminClient

from infra import log
from infra.actions.registry import load_actions
from infra.enrichment.clients import surroundings_of
from infra.errors import TopicMismatchError
from infra.health import HealthServer
from infra.kafka import admin_client
from infra.secretbox import load_secret_box
from infra.settings import Settings
from infra.sla import OutcomeMeter
from infra.standstill import StandstillWatch
from infra.topics import EXPEDITED, RECEIVED, RELEASED, REMEMBERED, topic_incarnations, topic_partitions
from infra.webhooks import WebhookTable
from processors.host.application import BatchApplication, create_application
from processors.host.host import EXIT_AFTER_FAULT, BatchHost, Handler
from processors.host.lane import ORDINARY_UNDECIDED_MAX, URGENT_UNDECIDED_MAX
from processors.host.lease import Batch
from processors.host.publisher import Publisher
from processors.host.restore import Changelog
from processors.host.table import short_incarnation
from processors.pipeline import Lane, RequestPipeline
from processors.plans import Plans

#: Lane numbers are stored in dedupe entries: never reuse one for another topic.
LANES = {RECEIVED: 0, EXPEDITED: 1, RELEASED: 2}
_URGENT = frozenset({EXPEDITED, RELEASED})
_HEALTH_STOP_SECONDS = 5.0
_CONFIGURATION_SECONDS_MAX = 60.0
#: A batch makes thousands of short-lived objects and no cycles; collecting every 700 is wasted.
_GARBAGE_THRESHOLD = 50_000
_log = log.get_logger(__name__)


#: Makes the handler of the batch host; the benchmark's floor passes one that does nothing.
HandlerFactory = Callable[[Settings, WebhookTable, AdminClient], Handler]


def create_pipeline(settings: Settings, webhooks: WebhookTable, admin: AdminClient) -> RequestPipeline:
    """The handler that processes requests."""
    incarnations = topic_incarnations(admin, list(LANES))
    lanes = {
        topic: Lane(number, incarnations[topic], short_incarnation(incarnations[topic]))
        for topic, number in LANES.items()
    }
    plans = Plans(webhooks, load_actions(), surroundings_of(settings), settings.processors)
    return RequestPipeline(settings.processors, plans, lanes, OutcomeMeter(settings.sla))


def run(settings: Settings, create_handler: HandlerFactory = create_pipeline) -> None:
    """Process until SIGTERM or SIGINT; returns after a clean end."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(settings, create_handler))


async def _serve(settings: Settings, create_handler: HandlerFactory) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    gc.freeze()
    gc.set_threshold(_GARBAGE_THRESHOLD)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    publisher = Publisher(
        settings.kafka,
        client_id="hookline-processors",
        ack_timeout_seconds=settings.processors.ack_timeout_seconds,
    )
    webhooks = WebhookTable(settings.kafka, load_secret_box(settings), client_id="hookline-processors")
    webhooks.start()
    admin = admin_client(settings.kafka, "hookline-processors")
    app = build_application(settings, publisher, admin, create_handler(settings, webhooks, admin))
    health = HealthServer(settings.health.host, settings.health.port, [app.host])
    health.start()
    if not await loop.run_in_executor(None, webhooks.wait_ready, _CONFIGURATION_SECONDS_MAX):
        _log.warning("processors.configuration_slow", seconds=_CONFIGURATION_SECONDS_MAX)
    standstill = StandstillWatch(settings, [app.host.consumer(tuple(LANES))])
    standstill.start()
    await _run_until(app, stop)
    standstill.stop(0.0)
    health.stop(_HEALTH_STOP_SECONDS)
    webhooks.stop()
    left = publisher.close()
    _log.info("processors.stopped", unacknowledged=left)


def build_application(
    settings: Settings, publisher: Publisher, admin: AdminClient, handler: Handler
) -> BatchApplication:
    """The application with its table, its agent and its host, not yet started.

    Raises TopicMismatchError when the topics whose records meet in one table differ in partitions.
    """
    partitions = _shared_partition_count(topic_partitions(admin, [*LANES, REMEMBERED]))
    incarnation = short_incarnation(topic_incarnations(admin, [REMEMBERED])[REMEMBERED])
    app = create_application(settings, table_partitions=partitions)
    app.host = BatchHost(settings, handler, publisher, urgent_topics=_URGENT)
    app.source_topics = frozenset(LANES)
    seen = app.Table(
        "dedupe",
        partitions=partitions,
        key_type=bytes,
        value_type=bytes,
        changelog_topic=app.topic(REMEMBERED, key_serializer="raw", value_serializer="raw", partitions=partitions),
        options={
            "driver": "rocksdict",
            "write_buffer_size": 16 * 1024 * 1024,
            "max_write_buffer_number": 2,
            "block_cache_size": 64 * 1024 * 1024,
            "bloom_filter_size": 10,
        },
    )
    app.topics.add(app.topic(*LANES, key_serializer="raw", value_serializer="raw"))
    channel = app.channel(maxsize=URGENT_UNDECIDED_MAX + ORDINARY_UNDECIDED_MAX)
    host = app.host

    @app.agent(channel, name="process-requests")  # type: ignore[untyped-decorator]
    async def process_requests(batches: AsyncIterator[Batch]) -> None:
        async for batch in batches:
            await host.process(batch)

    changelog = Changelog(settings.kafka, REMEMBERED, incarnation, seen.data)
    app.host.connect(
        put=channel.put,
        commit=lambda positions: app.consumer.commit_positions(positions),
        changelog=changelog,
        changelog_topic=REMEMBERED,
    )
    return app


async def _run_until(app: BatchApplication, stop: asyncio.Event) -> None:
    """Start `app`, wait for `stop`; a crash of Faust ends the process hard, with nothing committed on the way."""
    starting = asyncio.ensure_future(app.start())
    crashed = asyncio.ensure_future(app.wait_until_stopped())
    stopping = asyncio.ensure_future(stop.wait())
    await asyncio.wait({crashed, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if not stop.is_set():
        _log.error("processors.crashed", reason=str(app.crash_reason))
        os._exit(EXIT_AFTER_FAULT)
    await app.stop()
    for task in (starting, crashed, stopping):
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def _shared_partition_count(counts: dict[str, int]) -> int:
    if len(set(counts.values())) != 1:
        listed = ", ".join(f"{topic} {count}" for topic, count in sorted(counts.items()))
        raise TopicMismatchError(f"these topics must have the same number of partitions: {listed}")
    return next(iter(counts.values()))
