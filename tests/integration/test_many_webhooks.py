"""As many webhooks as an installation may have, in one receiver."""

from pathlib import Path

import pytest

from hookline.embedded.kafka import start_kafka
from tests.support.ingress import publishing, signed
from tests.support.many_webhooks import loaded_ingress, publish_many

pytestmark = pytest.mark.proof

WEBHOOKS = 100_000
BYTES_MAX = 500_000_000


def test_a_receiver_holds_100_000_webhooks_in_500_megabytes(tmp_path: Path) -> None:
    with start_kafka(tmp_path / "kafka") as broker, publishing(broker.bootstrap) as publisher:
        last = publish_many(publisher, WEBHOOKS)
        with loaded_ingress(broker.bootstrap) as (ingress, figures):
            print(figures)  # noqa: T201  # seconds are no test's business, but worth a look
            assert figures.webhooks == WEBHOOKS
            assert figures.bytes_peak < BYTES_MAX
            assert ingress.send(signed(last.config, b"{}", secret=last.secret)).status == 200
            assert ingress.send(signed(last.config, b"{}")).status == 401
