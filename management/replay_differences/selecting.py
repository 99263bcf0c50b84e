"""The deliveries of a selection with their requests, block by block, from the log or from offsets in Kafka."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple
from uuid import UUID

from infra.clickhouse import Row
from management.comparing.requests import NotComparable, RequestSource
from management.exports import WHOLE_BODY_ROWS_MAX
from management.inbound_webhooks.rules.problems import joined
from management.replay_differences.repository import Rows, SelectedDeliveryRepository
from management.replaying.places import FoundRecord, OffsetRange, parse_range
from management.replaying.selections import ReplaySelection

_NOT_IN_LOG = "there is no such delivery in the log"


class Selected(NamedTuple):
    """A delivery: its row (None: on its way to the log) and its request."""

    row: Row | None
    found: FoundRecord | NotComparable


class Missing(NamedTuple):
    """What was selected and is not there: a delivery by its id, or offsets. `code` is of a closed set."""

    code: str
    delivery_id: str | None
    place: str | None
    reason: str


Block = Sequence[Selected | Missing]


class Selecting:
    """Of one tenant. Raises ValidationFailedError for filters that do not go together, and as the log and Kafka do."""

    def __init__(self, repository: SelectedDeliveryRepository, tenant_id: UUID, selection: ReplaySelection) -> None:
        self._repository = repository
        self._tenant_id = tenant_id
        self._selection = selection
        self._ranges = [parse_range(text) for text in selection.offsets or ()]

    @property
    def path(self) -> str:
        """The member that selects."""
        given = self._selection.model_fields_set & {"delivery_ids", "filter", "offsets"}
        return joined("selection", next(iter(given), "since"))

    def count(self, count_max: int) -> int:
        """How many deliveries are selected at most, counted up to `count_max`."""
        if self._selection.delivery_ids is not None:
            return len(self._selection.delivery_ids)
        if self._selection.offsets is not None:
            return sum(one.last - one.first + 1 for one in self._ranges)
        return self._repository.count(self._tenant_id, self._selection.log_filter(), count_max)

    def blocks(self, source: RequestSource) -> Iterator[Block]:
        """One block is in memory at a time."""
        ids = self._selection.delivery_ids
        if self._selection.offsets is not None:
            for one in self._ranges:
                yield from self._of_range(source, one)
        elif ids is None:
            yield from _with_requests(source, self._repository.filtered(self._tenant_id, self._selection.log_filter()))
        else:
            unknown = set(ids)
            for block in _with_requests(source, self._repository.named(self._tenant_id, ids)):
                unknown -= {UUID(str(one.row["delivery_id"])) for one in block if one.row is not None}
                yield block
            yield [Missing("unknown", str(one), None, _NOT_IN_LOG) for one in sorted(unknown)]

    def _of_range(self, source: RequestSource, wanted: OffsetRange) -> Iterator[Block]:
        """Records of other tenants are passed over without a word."""
        is_done = False
        while not is_done:
            step = source.reader.scan(wanted, records_max=WHOLE_BODY_ROWS_MAX)
            own = [found for found in step.records if found.headers.tenant_id == str(self._tenant_id)]
            rows = self._rows(own)
            missing = [Missing("lost_offsets", None, str(one.where), one.reason) for one in step.lost]
            yield [*missing, *(Selected(rows.get(found.headers.delivery_id), found) for found in own)]
            wanted, is_done = wanted._replace(first=step.next_offset), step.is_done

    def _rows(self, records: Sequence[FoundRecord]) -> dict[str, Row]:
        if not records:
            return {}
        ids = {UUID(found.headers.delivery_id) for found in records}
        return self._repository.of_webhooks(self._tenant_id, ids, {UUID(found.headers.webhook_id) for found in records})


def _with_requests(source: RequestSource, blocks: Rows) -> Iterator[Sequence[Selected]]:
    for rows in blocks:
        yield [Selected(row, found) for row, found in zip(rows, source.find(rows), strict=True)]
