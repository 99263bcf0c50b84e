"""Every 200 held against tickets and the delivery log."""

import json
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

import httpx

from tests.support.running_stack import RunningStack
from tests.support.senders import Senders
from tests.support.wait import eventually

_POLL_SECONDS = 0.5
_READ_LOG = """
import json, sys
import clickhouse_connect
client = clickhouse_connect.get_client(interface="chdb", path=sys.argv[1])
rows = client.query("SELECT toString(delivery_id), dispatch_status FROM deliveries FINAL").result_rows
print(json.dumps([{"delivery_id": row[0], "dispatch_status": row[1] or "pending"} for row in rows]))
"""


@dataclass(frozen=True)
class Ledger:
    """What was promised (a 200 each) and what is there. All the lists must be empty."""

    alerts: int
    accepted: int
    tickets: int
    by_status: dict[str, int]
    without_outcome: list[str]
    alerts_without_ticket: list[str]
    alerts_with_two_tickets: list[str]
    tickets_not_dispatched: list[str]
    dispatched_without_ticket: list[str]
    logged_twice: list[str]

    @property
    def exact(self) -> bool:
        """Nothing lost, nothing twice, and the log agrees."""
        return not (
            self.without_outcome
            or self.alerts_without_ticket
            or self.alerts_with_two_tickets
            or self.tickets_not_dispatched
            or self.dispatched_without_ticket
            or self.logged_twice
        )


def await_settled(stack: RunningStack, accepted: int, *, timeout_seconds: float = 240.0) -> None:
    """Until the log holds at least the ``accepted`` deliveries, none of them pending, and stays so for three looks.

    Without the count a stack whose consumers have not come back yet would look settled.
    """
    seen: list[tuple[int, int]] = []

    def settled() -> bool:
        time.sleep(_POLL_SECONDS)
        try:
            with stack.management() as client:
                total = _total(client, {})
                pending = _total(client, {"dispatch_status": "pending"})
        except (FileNotFoundError, httpx.HTTPError):  # something is still being started again
            return False
        seen.append((total, pending))
        return len(seen) > 2 and seen[-1] == seen[-2] == seen[-3] and pending == 0 and total >= accepted

    try:
        eventually(settled, timeout_seconds=timeout_seconds, what=f"{accepted} deliveries to have an outcome")
    except AssertionError as error:
        raise AssertionError(f"{error}; (all, pending) were {seen[-3:]}\n{stack.status()}") from None


def take_ledger(stack: RunningStack, senders: Senders) -> Ledger:
    """Compare everything, delivery by delivery. Stops the stack: the log is read from its data folder, by itself."""
    with stack.postgres() as connection:
        tickets = connection.execute("SELECT delivery_id::text AS id FROM tickets").fetchall()
        mapped = connection.execute(
            "SELECT external_id, count(*) AS entities FROM external_entity_mappings"
            " WHERE entity_type = 'ticket' GROUP BY external_id"
        ).fetchall()
    clickhouse = stack.ready.clickhouse
    stack.stop(timeout_seconds=60)  # what its end may take is held against a bound elsewhere
    log = _whole_log(clickhouse)
    status_of = {row["delivery_id"]: row["dispatch_status"] for row in log}
    counted = Counter(row["delivery_id"] for row in log)
    ticket_ids = Counter(str(row["id"]) for row in tickets)
    entities = {str(row["external_id"]): int(row["entities"]) for row in mapped}
    good = {alert for alert in senders.accepted if not alert.endswith("-bad")}
    answered = [delivery for deliveries in senders.accepted.values() for delivery in deliveries]
    return Ledger(
        alerts=len(senders.accepted),
        accepted=len(answered),
        tickets=ticket_ids.total(),
        by_status=dict(Counter(str(row["dispatch_status"]) for row in log)),
        without_outcome=[d for d in answered if status_of.get(d, "absent") in ("absent", "pending")],
        alerts_without_ticket=[alert for alert in good if alert not in entities],
        alerts_with_two_tickets=[alert for alert, count in entities.items() if count > 1]
        + [delivery for delivery, count in ticket_ids.items() if count > 1],
        tickets_not_dispatched=[d for d in ticket_ids if status_of.get(d) != "dispatched"],
        dispatched_without_ticket=[d for d, s in status_of.items() if s == "dispatched" and d not in ticket_ids],
        logged_twice=[delivery for delivery, count in counted.items() if count > 1],
    )


def _whole_log(clickhouse: str) -> list[dict[str, Any]]:
    """Every row of the log, read by a process of its own: the embedded engine takes one folder per process."""
    command = [sys.executable, "-c", _READ_LOG, clickhouse]
    output = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout
    rows: list[dict[str, Any]] = json.loads(output)
    return rows


def _total(client: Any, filters: dict[str, str]) -> int:
    answer = client.get("/deliveries", params={**filters, "per_page": 1})
    answer.raise_for_status()
    return int(answer.json()["meta"]["total"])
