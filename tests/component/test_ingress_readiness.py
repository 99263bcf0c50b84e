"""A new receiver: not ready, and answering 503, until it has read the whole topic."""

from hookline.embedded.kafka import KafkaBroker
from infra.kafka import Outbox
from infra.topics import CONFIGURATION
from infra.webhooks import webhook_key
from tests.support.ingress import READY_SECONDS, Publisher, running_ingress, signed
from tests.support.wait import eventually

WEBHOOKS = 3_000


def test_it_is_ready_only_when_it_knows_every_webhook_of_the_topic(kafka: KafkaBroker, tenant: Publisher) -> None:
    configs = [tenant.webhook(f"w{number}") for number in range(WEBHOOKS)]
    outbox = Outbox(tenant.producer)
    for config in configs:
        key = webhook_key(config.tenant_id, config.webhook_id).encode()
        outbox.send(CONFIGURATION, key=key, value=config.model_dump_json().encode())
    outbox.wait(30)
    requests = [signed(config, b"{}") for config in (configs[0], configs[-1])]
    with running_ingress(kafka.bootstrap, await_ready=False) as receiver:
        before: set[int] = set()

        def ready() -> bool:
            status, content = receiver.readiness()
            if status == 0:
                return False
            known = content["parts"][0]["details"]["webhooks"]
            if status == 200:
                assert known >= WEBHOOKS
                return True
            before.update(receiver.send(request).status for request in requests)
            return False

        eventually(ready, timeout_seconds=READY_SECONDS, what="the receiver to be ready")
        assert [receiver.send(request).status for request in requests] == [200, 200]
        assert 401 not in before, "nobody can be told from a stranger before the webhooks are known"
