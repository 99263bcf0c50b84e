"""Which minutes of the rollups an insert touches."""

import pyarrow as pa
import pyarrow.compute as pc

_KEY = ("minute", "tenant_id", "webhook_id")


def marks_of(deliveries: pa.Table) -> pa.Table:
    """Rows of `rollup_marks`: one mark for each minute of each webhook that has rows in `deliveries`."""
    # Truncated to whole minutes since the epoch, which a time zone with whole minutes never moves.
    minutes = pc.floor_temporal(deliveries["received_at"], unit="minute").cast(pa.timestamp("s", "UTC"))
    touched = pa.table(
        {"minute": minutes, "tenant_id": deliveries["tenant_id"], "webhook_id": deliveries["webhook_id"]}
    )
    rows = touched.group_by(list(_KEY)).aggregate([])
    return rows.append_column("marks", pa.repeat(pa.scalar(1, pa.uint64()), rows.num_rows))
