"""Replays through a whole stack (`hookline up`): how fast, beside the same requests live, and what live traffic notes.

Every request makes a ticket, and so does every replay of one: what is compared is the same work.
- `live`: requests/s sent as fast as they are answered, from the first request to the last outcome.
- `replayed`: the same requests in a replay job at the highest rate, from asking for the job to the last outcome, its
  planning included. `published_per_second` is of the job alone, from its start to its end.
- `dry_run`: deliveries/s of a dry run over the same requests, with its answer.
- `alone`, `beside_job`: live requests at a steady rate on a fixed schedule (bench/open_loop.py), without and with a
  replay job at its default rate: from the moment a request was due to the commit of its ticket, and to its answer.

A request or a replay without outcome, an outcome that is not a ticket, a job that ends before the live traffic beside
it: each ends the run with an error. Run with `python -m bench.replays [--records N] [--seconds S]`; it starts a stack
of its own and prints JSON.
"""

import argparse
import json
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import orjson

from bench.folders import own_folder
from bench.open_loop import ScheduledAnswer
from bench.pipeline import (
    alert_bodies,
    delivery_id_of,
    note_commit_times,
    percentiles,
    send_alerts,
    tickets_committed_at,
)
from hookline.configuration import settings_of_stack
from infra import log
from tests.support.line import OutcomeWatch
from tests.support.running_stack import RunningStack, running_stack

RECORDS, SECONDS = 6_000, 15.0
REQUESTS_PER_SECOND = 300
RATE_MAX, RATE_DEFAULT = 5_000, 200
_WARM_UP_SECONDS = 3.0
_WARM_UP_REQUESTS = 500
_AS_FAST_AS_ANSWERED = 1e6
_SECONDS_MAX = 90.0
_POLL_SECONDS = 0.2
_ENDED = ("done", "stopped", "failed")
Json = dict[str, Any]


class Range(NamedTuple):
    """A time in which all that was received is replayed, and how much that is."""

    since: str
    until: str
    deliveries: int

    @property
    def selection(self) -> Json:
        """As a job and a dry run take it."""
        return {"since": self.since, "until": self.until}


class ReplayBench:
    """A running stack whose every request makes a ticket. Every method raises AssertionError for what went wrong."""

    def __init__(self, stack: RunningStack, api: httpx.Client, watch: OutcomeWatch) -> None:
        self._stack = stack
        self._api = api
        self._watch = watch
        self._seeds = iter(range(1, 1_000))

    def warm_up(self) -> None:
        """Tickets without external ids: one that is known already would make another kind of work of a replay."""
        webhook_id = self._stack.webhook().config.webhook_id
        self._call(
            "PATCH", f"/inbound-webhooks/{webhook_id}", {"handler_config": {"field_mapping": {"external_id": None}}}
        )
        self._send(_WARM_UP_REQUESTS, REQUESTS_PER_SECOND)

    def live(self, requests: int) -> tuple[float, Range]:
        """Requests per second, and where they stand in the log, once they all do."""
        since, began = datetime.now(UTC), time.monotonic()
        answers = self._send(requests, _AS_FAST_AS_ANSWERED)
        seconds = self._last_outcome([delivery_id_of(answer) for answer in answers]) - began
        until = datetime.now(UTC)
        sent = Range(since.isoformat(), until.isoformat(), requests)
        self._await_log(sent)
        return requests / seconds, sent

    def replay(self, sent: Range) -> tuple[float, float]:
        """Replays per second up to the last outcome, and records published per second by the job alone."""
        began = time.monotonic()
        replay_id = self.start_job(sent, RATE_MAX)
        job = self._await_job(replay_id, lambda job: job["state"] in _ENDED)
        replays = self._replays(replay_id)
        if len(replays) != sent.deliveries or job["counts"]["published"] != sent.deliveries:
            lost = self._call("GET", f"/replays/{replay_id}/records", params={"result": "lost", "per_page": 1})["data"]
            raise AssertionError(f"not every request was replayed: {job['counts']}, {lost}")
        self._watch.await_outcomes(replays, timeout_seconds=_SECONDS_MAX)
        seconds = self._last_outcome(replays) - began
        alone = _seconds_of(job["ended_at"]) - _seconds_of(job["started_at"])
        return sent.deliveries / seconds, sent.deliveries / alone

    def dry_run(self, sent: Range) -> float:
        """Deliveries per second."""
        began = time.monotonic()
        found = self._call("POST", "/replays/dry-run", {"selection": sent.selection, "mode": "redrive"})
        seconds = time.monotonic() - began
        if not found["is_complete"]:
            raise AssertionError(f"the dry run did not come to its end: {found['totals']}")
        return sent.deliveries / seconds

    def times(self, seconds: float) -> Json:
        """From due to ticket and to answer, of live requests at a steady rate."""
        answers = self._send(int((_WARM_UP_SECONDS + seconds) * REQUESTS_PER_SECOND), REQUESTS_PER_SECOND)
        counted = answers[int(_WARM_UP_SECONDS * REQUESTS_PER_SECOND) :]
        committed_at = tickets_committed_at(self._stack)
        waits = [committed_at[delivery_id_of(answer)] - answer.due_at for answer in counted]
        return {"ticket": percentiles(waits), "answer": percentiles([answer.answer_seconds for answer in counted])}

    def times_beside_job(self, sent: Range, seconds: float) -> Json:
        """The same while a job replays at the default rate."""
        replay_id = self.start_job(sent, RATE_DEFAULT)
        self._await_job(replay_id, lambda job: job["counts"]["published"] > 0)
        times = self.times(seconds)
        job = self._await_job(replay_id, lambda _: True)
        if job["state"] != "running":
            raise AssertionError(f"the job was {job['state']} before the live traffic ended: {job['state_reason']}")
        self._call("POST", f"/replays/{replay_id}/stop", {"reason": "measured"})
        return {**times, "published": job["counts"]["published"]}

    def start_job(self, sent: Range, rate_per_second: int) -> str:
        """The id of a job over all of it."""
        body = {
            "selection": sent.selection,
            "mode": "redrive",
            "reason": "a measurement",
            "rate_per_second": rate_per_second,
            "confirm_records": sent.deliveries,
        }
        return str(self._call("POST", "/replays", body)["id"])

    def _send(self, requests: int, per_second: float) -> list[ScheduledAnswer]:
        """Every one of them has made a ticket when this returns."""
        answers = send_alerts(self._stack, alert_bodies(requests, seed=next(self._seeds)), per_second)
        deliveries = [delivery_id_of(answer) for answer in answers]
        self._watch.await_outcomes(deliveries, timeout_seconds=_SECONDS_MAX)
        return answers

    def _last_outcome(self, deliveries: Sequence[str]) -> float:
        """The monotonic second at which it was seen; all have to be tickets."""
        statuses = Counter(str(self._watch.of(delivery).dispatch_status) for delivery in deliveries)
        if set(statuses) != {"dispatched"}:
            raise AssertionError(f"not every delivery made a ticket: {dict(statuses)}")
        return max(self._watch.seen[delivery][0][0] for delivery in deliveries)

    def _await_log(self, sent: Range) -> None:
        # Outcomes may be there before their requests, which alone say where a request came from, and where it stands.
        wanted = {"per_page": 1, "dispatch_status": "dispatched", "source_ip": "127.0.0.1", **sent.selection}
        deadline = time.monotonic() + _SECONDS_MAX
        while (found := self._call("GET", "/deliveries", params=wanted)["meta"]["total"]) < sent.deliveries:
            if time.monotonic() >= deadline:
                raise AssertionError(f"after {_SECONDS_MAX:.0f} s the log had {found} of {sent.deliveries} outcomes")
            time.sleep(_POLL_SECONDS)

    def _replays(self, replay_id: str) -> list[str]:
        answer = self._api.get(f"/replays/{replay_id}/records/export", params={"format": "jsonl"}).raise_for_status()
        found = [orjson.loads(line)["new_delivery_id"] for line in answer.text.splitlines()]
        return [str(delivery_id) for delivery_id in found if delivery_id is not None]

    def _await_job(self, replay_id: str, is_there: Callable[[Json], bool]) -> Json:
        deadline = time.monotonic() + _SECONDS_MAX
        while not is_there(job := self._call("GET", f"/replays/{replay_id}")):
            if time.monotonic() >= deadline:
                raise AssertionError(f"after {_SECONDS_MAX:.0f} s the job was {job['state']}: {job}")
            time.sleep(_POLL_SECONDS)
        return job

    def _call(self, method: str, path: str, body: Json | None = None, params: Mapping[str, Any] | None = None) -> Json:
        answer = self._api.request(method, path, json=body, params=params, timeout=_SECONDS_MAX)
        if not answer.is_success:
            raise AssertionError(f"{method} {path} was answered {answer.status_code}: {answer.text[:300]}")
        found: Json = answer.json()
        return found


def measure(data_dir: Path, *, records: int = RECORDS, seconds: float = SECONDS) -> Json:
    """Rates, and percentiles in milliseconds, of a new stack on `data_dir` (which must not be there yet)."""
    note_commit_times(data_dir)
    with (
        running_stack(data_dir) as stack,
        stack.management() as api,
        closing(OutcomeWatch(settings_of_stack(stack.ready).kafka)) as watch,
    ):
        bench = ReplayBench(stack, api, watch)
        bench.warm_up()
        live_per_second, sent = bench.live(records)
        replayed_per_second, published_per_second = bench.replay(sent)
        dry_run_per_second = bench.dry_run(sent)
        alone = bench.times(seconds)
        beside_job = bench.times_beside_job(sent, seconds)
    return {
        "records": records,
        "live_per_second": round(live_per_second),
        "replayed_per_second": round(replayed_per_second),
        "published_per_second": round(published_per_second),
        "dry_run_per_second": round(dry_run_per_second),
        "requests_per_second": REQUESTS_PER_SECOND,
        "replays_per_second": RATE_DEFAULT,
        "alone": alone,
        "beside_job": beside_job,
    }


def _seconds_of(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


def main() -> None:
    """Measure on a stack of our own and print the result."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--records", type=int, default=RECORDS)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    arguments = parser.parse_args()
    log.configure(role="bench", level="warning")
    with own_folder("replays") as folder:
        figures = measure(folder / "stack", records=arguments.records, seconds=arguments.seconds)
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
