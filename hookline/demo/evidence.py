"""What became of the requests, asked from where a user would look: the management API, and the tickets' own table."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg
from psycopg.rows import class_row

from hookline.errors import NotReadyError
from hookline.ready_file import ReadyFile
from infra.postgres import unavailability_translated
from infra.queries import load_queries
from infra.webhooks import Webhook
from schemas.records import DispatchStatus

_QUERIES = load_queries(Path(__file__).parent / "queries.sql")
_ANSWER_SECONDS_MAX = 20.0
_POLL_SECONDS = 0.5
_PER_PAGE = 100


@dataclass(frozen=True, slots=True)
class ExampleTicket:
    """A ticket as the demonstration shows it."""

    number: int
    priority: str
    title: str
    sender: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """Counts of the delivery log by `dispatch_status`, rejections, one external id per ticket, and durations.

    `delivery_ids` has every id of the log; `ticket_milliseconds` is, per ticket, from the request's arrival to the
    moment when its transaction had been committed.
    """

    deliveries: Mapping[str, int]
    delivery_ids: list[str]
    rejections: int
    ticket_ids: list[str]
    ticket_milliseconds: list[float]
    examples: list[ExampleTicket]


class Witness:
    """Reads what a stack says of its deliveries. Close it when done."""

    def __init__(self, ready: ReadyFile, webhook: Webhook) -> None:
        self._ready = ready
        self._config = webhook.config
        self._client = httpx.Client(
            base_url=f"{ready.management_url}/api/v1",
            headers={"Authorization": f"Bearer {ready.admin_api_key}"},
            timeout=_ANSWER_SECONDS_MAX,
            trust_env=False,
        )

    def close(self) -> None:
        self._client.close()

    def await_settled(
        self, accepted: int, rejected: int, on_progress: Callable[[int], None], *, timeout_seconds: float
    ) -> bool:
        """Wait until the log has `accepted` deliveries, none of them pending, and all rejections.

        False when that is not so within the time; the counts then show what is missing.
        """
        deadline = time.monotonic() + timeout_seconds
        while True:
            known = self._total()
            finished = known - self._total(dispatch_status=DispatchStatus.PENDING.value)
            on_progress(finished)
            if known == finished == accepted and self._rejections() == rejected:
                return True
            if time.monotonic() >= deadline:
                return False
            time.sleep(_POLL_SECONDS)

    def collect(self) -> Evidence:
        """Everything, page by page."""
        deliveries = list(self._pages("/deliveries"))
        dispatched = [entry for entry in deliveries if entry["dispatch_status"] == DispatchStatus.DISPATCHED.value]
        parameters = {"tenant_id": self._config.tenant_id, "webhook_id": self._config.webhook_id}
        with unavailability_translated(), psycopg.connect(self._ready.postgres_dsn) as connection:
            ids = connection.execute(_QUERIES["list_ticket_ids"].encode(), parameters).fetchall()
            with connection.cursor(row_factory=class_row(ExampleTicket)) as cursor:
                examples = cursor.execute(_QUERIES["list_example_tickets"].encode(), parameters).fetchall()
        return Evidence(
            deliveries=Counter(entry["dispatch_status"] for entry in deliveries),
            delivery_ids=[entry["delivery_id"] for entry in deliveries],
            rejections=self._rejections(),
            ticket_ids=[row[0] for row in ids],
            ticket_milliseconds=[entry["duration_ms"] for entry in dispatched],
            examples=examples,
        )

    def _total(self, **wanted: str) -> int:
        return int(self._get("/deliveries", {"per_page": 1, **wanted})["meta"]["total"])

    def _rejections(self) -> int:
        return sum(int(entry["count"]) for entry in self._pages("/rejections"))

    def _pages(self, path: str) -> Iterator[dict[str, Any]]:
        page = 1
        while True:
            found = self._get(path, {"page": page, "per_page": _PER_PAGE})
            yield from found["data"]
            if page * _PER_PAGE >= found["meta"]["total"]:
                return
            page += 1

    def _get(self, path: str, parameters: Mapping[str, str | int]) -> dict[str, Any]:
        try:
            answer = self._client.get(path, params={"webhook_id": self._config.webhook_id, **parameters})
        except httpx.TransportError as error:
            raise NotReadyError(f"the management API does not answer: {error}") from error
        if answer.status_code != httpx.codes.OK:
            raise NotReadyError(f"the management API answered {answer.status_code} to {path}: {answer.text[:200]}")
        content: dict[str, Any] = answer.json()
        return content
