"""Verified, acknowledged requests per second of the receiver, beside two floors of the same server and load.

- `answer only`: the same connections, heads and bodies, answered at once with the accepted answer.
- `produce only`: as that, but each body is produced (fixed headers, a running key) and its acknowledgement awaited.
- `receiver`: the real thing: look-up, HMAC over the body, rate limit, JSON, dedupe key from a path, facts, ids, trace,
  produce, acknowledgement.

Run with `python -m bench.ingress [--seconds S]`; it starts a broker of its own and prints JSON.
"""

import argparse
import asyncio
import base64
import hashlib
import hmac
import http.client
import json
import multiprocessing
import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil
import uvloop

from bench.load import LoadPlan, run_in_process
from hookline.embedded.kafka import start_kafka
from hookline.embedded.ports import pick_free
from infra import log
from infra.kafka import PolledProducer, admin_client
from infra.secretbox import SecretBox, load_secret_box
from infra.settings import Settings
from infra.topics import RECEIVED, apply_topics
from infra.webhooks import seal_webhook_secret
from ingress.acks import Answerable, Pending
from ingress.core import answers
from ingress.core.answers import Answer
from ingress.main import bind, run
from ingress.receiver import Exchange, Receiver
from ingress.worker import Worker
from schemas.webhooks import ActionHandler, HmacAuth, IdempotencySource, WebhookConfig
from tests.support.configuration import publish_webhook

TENANT_ID = "0190b0a4-0000-7000-8000-000000000001"
SIGNING = "a secret of the benchmark, 32 bytes"
WEBHOOKS = 64
REQUESTS = 4_096
BODY_BYTES = 500
_READY_SECONDS = 30.0
_FLOOR_ID = b"0190b0a4-0000-7000-8000-00000000f100"
_FLOOR_ACCOUNT = ("00000000-0000-0000-0000-000000000000", 0, RECEIVED)
_FLOOR_HEADERS = [(f"hookline-{number}", b"x" * 36) for number in range(8)]


class AnswerOnly(Receiver):
    """The lowest floor: no Kafka, no work."""

    def receive(self, exchange: Exchange, body: bytes, waiter: Answerable) -> Answer | Pending:
        return answers.accepted(_FLOOR_ID)


class ProduceOnly(Receiver):
    """The floor: one record per request and its acknowledgement, nothing else."""

    number = 0

    def receive(self, exchange: Exchange, body: bytes, waiter: Answerable) -> Answer | Pending:
        self.number += 1
        pending = Pending(waiter, _FLOOR_ACCOUNT, _FLOOR_ID, len(body), invalid_json=False)
        key = self.number.to_bytes(16, "big")
        taken = self.bridge.submit(pending, RECEIVED, key=key, value=body, headers=_FLOOR_HEADERS, at_ms=0)
        return pending if taken else answers.UNAVAILABLE


def run_answer_only(settings: Settings) -> None:
    _run_floor(settings, AnswerOnly)


def run_produce_only(settings: Settings) -> None:
    _run_floor(settings, ProduceOnly)


def _run_floor(settings: Settings, floor: type[Receiver]) -> None:
    """Serve with `floor` in the receiver's place, in this process."""

    log.configure(role="ingress", log_format=settings.log_format, level=settings.log_level)

    async def serve() -> None:
        worker = Worker(settings)
        real = worker.service.receiver
        worker.service.receiver = floor(
            real.webhooks,
            real.bridge,
            real.rejections,
            real.tally,
            real.trace,
            trusted_proxies=(),
            failed_proofs_per_minute=0,
        )
        await worker.serve(bind(settings.ingress.host, settings.ingress.port, shared=False))

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve())


def webhook(box: SecretBox, number: int) -> WebhookConfig:
    """One of the benchmark's webhooks; there are several because each may take 60,000 requests a minute."""
    webhook_id = f"0190b0a4-0000-7000-8000-{number:012x}"
    sealed = seal_webhook_secret(box, SIGNING, tenant_id=TENANT_ID, webhook_id=webhook_id)
    return WebhookConfig(
        tenant_id=TENANT_ID,
        tenant_slug="acme",
        webhook_id=webhook_id,
        slug=f"alerts-{number}",
        name="Alerts",
        version=1,
        auth_config=HmacAuth(signature_header="X-Signature", secrets=(sealed,)),
        idempotency_source=IdempotencySource(type="jsonata", value="alert.id"),
        handler_config=ActionHandler(action="createTicket", field_mapping={"title": "alert.title"}),
        rate_limit_per_minute=60_000,
    )


def signed_requests(count: int = REQUESTS) -> list[bytes]:
    """Whole requests with different dedupe keys, each body BODY_BYTES long."""
    requests = []
    for number in range(count):
        alert = {"id": f"alert-{number}", "severity": "critical", "title": "Disk almost full", "host": "srv-0017"}
        body = json.dumps({"alert": alert, "padding": ""}).encode()
        body = body[:-2] + b"x" * (BODY_BYTES - len(body)) + body[-2:]
        signature = hmac.new(SIGNING.encode(), body, hashlib.sha256).hexdigest()
        head = (
            f"POST /api/inbound/acme/alerts-{number % WEBHOOKS} HTTP/1.1\r\nhost: 127.0.0.1\r\n"
            f"user-agent: hookline-bench/1\r\ncontent-type: application/json\r\naccept: */*\r\n"
            f"x-signature: sha256={signature}\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        requests.append(head.encode() + body)
    return requests


@contextmanager
def serving(target: Callable[[Settings], None], settings: Settings) -> Iterator[psutil.Process]:
    """`target` in a process of its own, until it is ready; ended by SIGTERM."""
    process = multiprocessing.get_context("spawn").Process(target=target, args=(settings,))
    process.start()
    try:
        _await_ready(settings)
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.join(30)
        if process.is_alive():
            process.kill()
            process.join()


def _await_ready(settings: Settings) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while True:
        try:
            connection = http.client.HTTPConnection(settings.ingress.host, settings.ingress.port, timeout=2)
            connection.request("GET", "/readyz")
            if connection.getresponse().status == 200:
                return
        except OSError:
            pass
        if time.monotonic() > deadline:
            raise TimeoutError("the receiver did not become ready")
        time.sleep(0.1)


def _cpu_seconds(process: psutil.Process) -> float:
    total = 0.0
    for member in [process, *process.children(recursive=True)]:
        times = member.cpu_times()
        total += times.user + times.system
    return total


def _drive(process: psutil.Process, settings: Settings, connections: int, seconds: float) -> dict[str, Any]:
    plan = LoadPlan(
        settings.ingress.host, settings.ingress.port, connections, signed_requests(), seconds, warm_up_seconds=1.0
    )
    before = _cpu_seconds(process)
    result = run_in_process(plan)
    cpu_seconds = _cpu_seconds(process) - before
    share = (plan.seconds + plan.warm_up_seconds) / plan.seconds
    return asdict(result) | {
        "server_cpu_microseconds_per_request": round(cpu_seconds / max(1, result.answers * share) * 1e6, 1),
        "server_resident_mebibytes": round(process.memory_info().rss / 1_048_576, 1),
    }


def measure(
    *, bootstrap: str, seconds: float = 4.0, connections: Sequence[int] = (64, 256), workers: Sequence[int] = (1, 2)
) -> dict[str, Any]:
    """Figures per worker count, connection count and handler, each with its ratio to the two floors of the same run.

    `bootstrap` is a broker whose topics need not exist yet; nothing else should use it meanwhile.
    """
    master_key = base64.urlsafe_b64encode(os.urandom(32)).decode()
    base = Settings.model_validate(
        {"master_key": master_key, "kafka": {"bootstrap": bootstrap}, "log_level": "warning"}
    )
    _configure(base)
    results: dict[str, Any] = {}
    for count in workers:
        for number in connections:
            row: dict[str, Any] = {}
            for name, target in (
                ("answer only", run_answer_only),
                ("produce only", run_produce_only),
                ("receiver", run),
            ):
                if count > 1 and target is not run:
                    continue
                port = pick_free(1)[0]
                ingress = base.ingress.model_copy(update={"port": port, "workers": count})
                settings = base.model_copy(update={"ingress": ingress})
                with serving(target, settings) as process:
                    row[name] = _drive(process, settings, number, seconds)
            _add_ratios(row)
            results[f"{count} worker(s), {number} connections"] = row
    return results


def _add_ratios(row: dict[str, Any]) -> None:
    receiver = row["receiver"]
    for floor in ("answer only", "produce only"):
        if floor in row:
            receiver[f"share_of_{floor.replace(' ', '_')}"] = round(
                receiver["per_second"] / max(1.0, row[floor]["per_second"]), 3
            )


def _configure(settings: Settings) -> None:
    apply_topics(settings.kafka, admin_client(settings.kafka, "hookline-bench"))
    box = load_secret_box(settings)
    producer = PolledProducer(settings.kafka, client_id="hookline-bench", ack_timeout_seconds=10.0)
    for number in range(WEBHOOKS):
        publish_webhook(producer, webhook(box, number))
    producer.close(10.0)


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--seconds", type=float, default=4.0)
    arguments.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    arguments.add_argument("--connections", type=int, nargs="+", default=[64, 256])
    chosen = arguments.parse_args()
    log.configure(role="bench", level="warning")
    signal.signal(signal.SIGTERM, lambda *_: exit(1))
    with tempfile.TemporaryDirectory(prefix="hookline-bench-") as folder, start_kafka(Path(folder) / "kafka") as broker:
        figures = measure(
            bootstrap=broker.bootstrap,
            seconds=chosen.seconds,
            connections=chosen.connections,
            workers=chosen.workers,
        )
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
