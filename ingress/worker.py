"""One receiver process: its parts wired together, its clock ticks, its orderly end."""

import asyncio
import gc
import os
import signal
import socket
from email.utils import formatdate

import uvloop

from infra import metrics
from infra.addresses import parse_networks
from infra.clock import MICROSECONDS, now_us
from infra.health import show_ready
from infra.log import get_logger
from infra.presets import load_presets
from infra.role import PartHealth
from infra.secretbox import load_secret_box
from infra.settings import Settings
from infra.webhooks import WebhookTable
from ingress.acks import AckBridge
from ingress.attestations import AttestationLog
from ingress.connection import Connection, Service
from ingress.prepared import PreparedWebhooks
from ingress.probes import AsgiBridge, build_probes
from ingress.rate_store import RateStore
from ingress.receiver import Receiver
from ingress.rejections import RejectionLog
from ingress.siblings import Siblings, worker_name
from ingress.tally import Tally
from ingress.tracing import choose_trace

_BACKLOG_CONNECTIONS = 1_024
_TICK_SECONDS = 0.1
_TICKS_PER_SECOND = 10
_TICKS_PER_LOG_LINE = 100
_LAST_ATTESTATION_SECONDS = 2.0
_GARBAGE_THRESHOLDS = 50_000, 20, 50
_log = get_logger(__name__)


class Worker:
    """`siblings` is None when this is the only worker. `parent_pid`: end when this is no longer the parent."""

    def __init__(
        self, settings: Settings, *, slot: int = 0, siblings: Siblings | None = None, parent_pid: int | None = None
    ) -> None:
        bounds = settings.ingress
        name = "ingress" if siblings is None else worker_name(slot)
        self._settings = settings
        self._name = name
        self._slot = slot
        self._siblings = siblings
        self._parent_pid = parent_pid
        self._stop = asyncio.Event()
        self._tally = Tally()
        self._table = WebhookTable(settings.kafka, load_secret_box(settings), client_id=f"hookline-{name}")
        store_url = settings.rate_limits.store_url
        self._rate_store = None if store_url is None else RateStore(settings.rate_limits, store_url.get_secret_value())
        self._webhooks = PreparedWebhooks(
            self._table,
            load_presets(settings.presets_folder),
            key_timeout_seconds=bounds.key_timeout_milliseconds / 1_000,
            rate_store=self._rate_store,
        )
        self.bridge = AckBridge(settings.kafka, bounds, client_id=f"hookline-{name}")
        self._rejections = RejectionLog(
            self.bridge,
            self._tally,
            per_second_max=bounds.rejections_per_second_max,
            keys_max=bounds.rejection_keys_max,
        )
        self._attestations = AttestationLog(self.bridge)
        receiver = Receiver(
            self._webhooks,
            self.bridge,
            self._rejections,
            self._tally,
            choose_trace(),
            trusted_proxies=parse_networks(bounds.trusted_proxies),
            failed_proofs_per_minute=bounds.failed_proofs_per_minute,
            public_base_url=bounds.public_base_url,
        )
        self.service = Service(receiver, AsgiBridge(build_probes(self._parts, self._render_metrics)), bounds)

    async def serve(self, listener: socket.socket) -> None:
        """Serve until asked to stop (SIGTERM, SIGINT), then end in order."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        self._table.start()
        self._tick_slowly()
        server = await loop.create_server(lambda: Connection(self.service), sock=listener, backlog=_BACKLOG_CONNECTIONS)
        host, port = listener.getsockname()[:2]
        _log.info("ingress.listening", worker=self._name, host=host, port=port, pid=os.getpid())
        ticking = loop.create_task(self._tick_forever())
        renewing = None if self._rate_store is None else loop.create_task(self._rate_store.run())
        _spare_the_collector()
        await self._stop.wait()
        server.close()
        await self._end()
        ticking.cancel()
        if renewing is not None:
            await renewing

    async def _end(self) -> None:
        self.service.stop()
        if self._rate_store is not None:
            self._rate_store.stop()
        self._rejections.end_second()
        left = await self.bridge.close(self._settings.ingress.shutdown_timeout_seconds)
        self._attestations.publish(now_us())
        await self.bridge.close(_LAST_ATTESTATION_SECONDS)
        await self.service.pace.drain()
        self._table.stop()
        self._publish()
        _log.info("ingress.stopped", worker=self._name, unacknowledged=left, connections=len(self.service.connections))

    def health(self) -> PartHealth:
        """Ready when the webhooks are known, the broker answers, and no stop was asked for."""
        reasons = [
            reason for reason in (None if self._table.ready else "webhooks: still reading", self.bridge.away) if reason
        ]
        if self._stop.is_set():
            reasons.append("stopping")
        details: dict[str, str | int] = {
            "webhooks": len(self._table),
            "in_flight_requests": self.bridge.in_flight_requests,
        }
        if self._rate_store is not None:
            trouble = self._rate_store.trouble
            details["rate_limit_store"] = "in use" if trouble is None else f"away, each worker counts alone: {trouble}"
        return PartHealth(self._name, ready=not reasons, reasons=tuple(reasons), details=details)

    def _parts(self) -> list[PartHealth]:
        return [self.health()] if self._siblings is None else self._siblings.health(self._slot, self.health())

    def _render_metrics(self) -> bytes:
        self._hand_over()
        own = metrics.render()
        return own if self._siblings is None else self._siblings.exposition(self._slot, own.decode()).encode()

    def _hand_over(self) -> None:
        self._tally.produce_errors, self.bridge.produce_errors = self.bridge.produce_errors, 0
        self._tally.hand_over(self.bridge.in_flight_requests, self.bridge.in_flight_bytes, len(self._table))
        show_ready(self.health())

    def _publish(self) -> None:
        self._hand_over()
        if self._siblings is not None:
            self._siblings.publish(self._slot, metrics.render().decode(), self.health())

    async def _tick_forever(self) -> None:
        ticks = 0
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            ticks += 1
            self.bridge.tick()
            self.service.tick()
            if ticks % _TICKS_PER_SECOND == 0:
                self._tick_slowly()
            if ticks % _TICKS_PER_LOG_LINE == 0:
                self._log_period()

    def _tick_slowly(self) -> None:
        """Once a second."""
        self.service.set_date(formatdate(now_us() / MICROSECONDS, usegmt=True))
        self._rejections.end_second()
        self._attestations.publish(now_us())
        self._webhooks.forget_deleted()
        self._publish()
        if self._parent_pid is not None and os.getppid() != self._parent_pid:
            self._stop.set()

    def _log_period(self) -> None:
        answers = self._tally.take_period()
        if answers:
            bridge = self.bridge
            _log.info(
                "ingress.period", worker=self._name, away=bridge.away, in_flight=bridge.in_flight_requests, **answers
            )


def serve(
    settings: Settings,
    listener: socket.socket,
    *,
    slot: int = 0,
    siblings: Siblings | None = None,
    parent_pid: int | None = None,
) -> None:
    """Run one worker on an event loop of its own until it has ended."""

    async def serve_until_stopped() -> None:
        worker = Worker(settings, slot=slot, siblings=siblings, parent_pid=parent_pid)
        await worker.serve(listener)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve_until_stopped())


def _spare_the_collector() -> None:
    """What was built so far lives as long as the process; requests leave no cycles behind."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GARBAGE_THRESHOLDS)
