"""Rejections over the API: listed, shown, and explained in words that name what the webhook looks for."""

from __future__ import annotations

import uuid

import pytest

from infra.clickhouse import ClickHouse
from infra.clock import now_us
from sinks.clickhouse.core.rejections import build_rejections
from sinks.clickhouse.core.rows import Source
from sinks.clickhouse.writer import BatchWriter
from tests.support.analytics import delivery_ids, rejection_record
from tests.support.management import ManagementBase, bearer, management_base
from tests.support.webhooks import create_webhook

__all__ = ["management_base"]

SIGNED = {"signature_header": "X-RMM-Signature", "timestamp_header": "X-RMM-Time", "tolerance_seconds": 120}
GONE = "01890000-0000-7000-8000-0000000000ff"


@pytest.fixture(scope="module")
def rejected(management_base: ManagementBase, clickhouse_engine: ClickHouse) -> dict[str, str]:
    """Ids of rejections by reason; the last is of a webhook that is gone."""
    webhook = create_webhook(management_base, "refusing", auth_config=SIGNED, rate_limit_per_minute=1_200)
    reasons = ["rejected_no_auth", "rejected_signature", "rejected_timestamp", "rate_limited", "of_another_release"]
    at_us, tenant_id = now_us(), str(management_base.tenant.id)
    ids = delivery_ids(len(reasons) + 1, at_us)
    records = [
        rejection_record(one, at_us, tenant_id=tenant_id, webhook_id=webhook["id"], reason=reason)
        for one, reason in zip(ids, reasons, strict=False)
    ]
    records.append(rejection_record(ids[-1], at_us, tenant_id=tenant_id, webhook_id=GONE, reason="rejected_no_auth"))
    source = Source("rejections", uuid.uuid4().hex, 0)
    BatchWriter(clickhouse_engine).write(build_rejections(records, source), source, 0, len(records))
    return {**dict(zip(reasons, ids, strict=False)), "gone": ids[-1]}


def explained(base: ManagementBase, rejection_id: str, *permissions: str) -> str:
    """The words of one rejection, for a caller with these permissions."""
    answer = base.call("GET", f"/rejections/{rejection_id}", headers=bearer(base.new_key(*permissions)))
    assert answer.status_code == 200, answer.text
    assert answer.json()["rejection_id"] == rejection_id
    words: str = answer.json()["explanation"]
    return words


def test_words_name_what_the_webhook_looks_for(management_base: ManagementBase, rejected: dict[str, str]) -> None:
    said = {reason: explained(management_base, one, "*") for reason, one in rejected.items()}
    assert "in the header X-RMM-Signature" in said["rejected_no_auth"]
    assert "in the header X-RMM-Signature" in said["rejected_signature"]
    assert "X-RMM-Time" in said["rejected_timestamp"]
    assert "120 seconds" in said["rejected_timestamp"]
    assert "1,200 a minute" in said["rate_limited"]
    assert "of_another_release" in said["of_another_release"]


def test_words_say_less_of_a_webhook_that_is_gone_or_not_to_be_read(
    management_base: ManagementBase, rejected: dict[str, str]
) -> None:
    plain = "The request carries no proof of who sent it."
    assert explained(management_base, rejected["gone"], "*") == plain
    assert explained(management_base, rejected["rejected_no_auth"], "rejection:read") == plain


def test_the_list_says_the_same_as_one_by_itself(management_base: ManagementBase, rejected: dict[str, str]) -> None:
    listed = management_base.call("GET", "/rejections", params={"per_page": 100}).json()["data"]
    words = {one["rejection_id"]: one["explanation"] for one in listed}
    assert words.keys() >= set(rejected.values())
    for one in rejected.values():
        assert words[one] == explained(management_base, one, "*")


def test_what_is_not_there_is_not_found(management_base: ManagementBase) -> None:
    answer = management_base.call("GET", f"/rejections/{uuid.uuid4()}")
    assert answer.status_code == 404
