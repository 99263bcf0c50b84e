"""The two lanes of the action sink: shared by members, expedited first, and bound to one."""

from __future__ import annotations

from collections import Counter
from contextlib import closing

import orjson
import pytest
from fastapi.routing import APIRoute

from infra.topics import ACTIONS, EXPEDITED_ACTIONS
from management.group_watch import GroupWatch
from management.status import SystemStatus
from sinks.actions.role import ActionsRole
from tests.support.action_stage import WAIT_SECONDS, Stage, broker, stage
from tests.support.wait import eventually

pytestmark = pytest.mark.proof

FIXTURES = (broker, stage)


def test_sinks_that_join_and_leave_share_the_work_and_nothing_is_done_twice(stage: Stage) -> None:
    requests = [stage.base.request({"external_id": f"T-{number}"}) for number in range(1_200)]
    stage.send(*requests[:600])
    with stage.role() as first:
        eventually(lambda: stage.base.count("tickets") >= 100, timeout_seconds=WAIT_SECONDS, what="a start")
        with stage.role() as second:
            stage.send(*requests[600:])
            eventually(
                lambda: _shares(first, second) == [(2, 2), (2, 2)],
                timeout_seconds=WAIT_SECONDS,
                what="two partitions of each lane each",
            )
            stage.send(*(stage.base.request() for _ in range(200)))
        outcomes = stage.outcomes(1_400)
    assert Counter(records[0].dispatch_status for records in outcomes.values()) == {"dispatched": 1_400}
    assert stage.base.count("tickets") == stage.base.count("outbox") == 1_400


def _shares(*roles: ActionsRole) -> list[tuple[object, object]]:
    """Partitions of each role, expedited and ordinary; None for a lane it does not read."""
    details = [role.health().details for role in roles]
    return [(shown.get("expedited_partitions"), shown.get("ordinary_partitions")) for shown in details]


def test_expedited_actions_pass_a_backlog_of_ordinary_ones_which_goes_on_meanwhile(stage: Stage) -> None:
    ordinary = [stage.base.request() for _ in range(4_000)]
    expedited = [stage.base.request(priority=3) for _ in range(1_000)]
    with stage.role() as role:
        eventually(lambda: _shares(role) == [(4, 4)], timeout_seconds=WAIT_SECONDS, what="both lanes to be read")
        stage.send(*ordinary)
        stage.send(*expedited, topic=EXPEDITED_ACTIONS)
        urgent = {request["delivery_id"] for request in expedited}
        done = eventually(lambda: _tickets_at_the_end_of(stage, urgent), timeout_seconds=WAIT_SECONDS, what="expedited")
        stage.outcomes(5_000)
    assert done is not None
    assert len(urgent) < done < len(ordinary) + len(urgent), "expedited first, and some ordinary ones in between"
    rows = stage.base.rows("SELECT delivery_id::text AS id FROM tickets ORDER BY number")
    lanes = [row["id"] in urgent for row in rows]
    between = lanes[lanes.index(True) : len(lanes) - lanes[::-1].index(True)]
    assert between.count(False) >= 100, "one ordinary batch after four expedited ones"


def _tickets_at_the_end_of(stage: Stage, deliveries: set[str]) -> int | None:
    """How many tickets there are, once all of `deliveries` have theirs."""
    rows = stage.base.rows("SELECT delivery_id::text AS id FROM tickets")
    return len(rows) if deliveries <= {row["id"] for row in rows} else None


def test_a_sink_bound_to_a_lane_reads_that_one_only_and_others_take_the_rest(stage: Stage) -> None:
    def shared(*expected: tuple[int | None, int | None]) -> None:
        eventually(lambda: _shares(*roles) == list(expected), timeout_seconds=WAIT_SECONDS, what=f"{expected}")

    unread = [f"{ACTIONS}: no member reads it"]
    stage.send(*(stage.base.request() for _ in range(50)))
    stage.send(*(stage.base.request(priority=2) for _ in range(50)), topic=EXPEDITED_ACTIONS)
    with stage.role(lane="expedited") as bound:
        roles = [bound]
        shared((4, None))
        stage.outcomes(50)
        assert stage.base.count("tickets") == 50, "nobody reads the ordinary lane"
        eventually(lambda: _reasons(stage) == unread, timeout_seconds=WAIT_SECONDS, what="the status to say so")
        with stage.role(lane="ordinary") as other, stage.role() as third:
            roles += [other, third]
            shared((2, None), (None, 2), (2, 2))
            stage.outcomes(100)
            eventually(lambda: _reasons(stage) == [], timeout_seconds=WAIT_SECONDS, what="a status without reasons")
        roles = [bound]
        shared((4, None))
        eventually(lambda: _reasons(stage) == unread, timeout_seconds=WAIT_SECONDS, what="the status to say so")


def _reasons(stage: Stage) -> list[str]:
    """What the system's status says of the group of sinks."""
    with closing(GroupWatch(stage.settings)) as watch:
        [route] = SystemStatus(watch, []).routes().routes
        assert isinstance(route, APIRoute)
        groups = orjson.loads(route.endpoint().body)["groups"]
    [reasons] = [group["reasons"] for group in groups if group["role"] == "actions"]
    return list(reasons)
