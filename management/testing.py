"""Tests and samples of webhooks, wired together, with the threads behind them."""

from collections.abc import Mapping

from fastapi import APIRouter

from infra.actions.registry import ActionRegistry
from infra.enrichment.clients import surroundings_of
from infra.postgres import Pool
from infra.requests.mapping import mapping_limits
from infra.settings import Settings
from management.access import Access
from management.webhook_samples.endpoints import sample_routes
from management.webhook_samples.repository import SampleRepository
from management.webhook_samples.service import SampleService
from management.webhook_samples.worker import SampleWorker
from management.webhook_tests.endpoints import webhook_test_routes
from management.webhook_tests.previews import Previewer
from management.webhook_tests.repository import WebhookTestRepository
from management.webhook_tests.service import WebhookTestService
from schemas.presets import Preset


class Testing:
    """Asks Kafka for what it needs when somebody tests or a capture is open; nothing here keeps a start waiting."""

    __test__ = False

    def __init__(self, settings: Settings, pool: Pool, registry: ActionRegistry, presets: Mapping[str, Preset]) -> None:
        samples = SampleRepository(pool)
        processors = settings.processors
        limits = mapping_limits(processors)
        previewer = Previewer(registry, surroundings_of(settings), engine=processors.mapping_engine, limits=limits)
        self._tests = WebhookTestService(WebhookTestRepository(pool), previewer, settings, presets)
        self._samples = SampleService(samples)
        self._worker = SampleWorker(settings.kafka, samples)

    def routes(self, access: Access) -> list[APIRouter]:
        """Everything under /inbound-webhooks/{webhook_id} that is about tests and samples."""
        return [webhook_test_routes(self._tests, access), sample_routes(self._samples, access)]

    def start(self) -> None:
        """Returns at once."""
        self._tests.start()
        self._worker.start()

    def release(self) -> None:
        """Have every test that waits answer at once, so that the server can end."""
        self._tests.release()

    def stop(self, timeout_seconds: float) -> None:
        """Open captures are left to the next process."""
        self._worker.stop(timeout_seconds)
        self._tests.stop(timeout_seconds)

    def faults(self) -> Mapping[str, str]:
        """What makes no progress now, and why; the API works all the same."""
        fault = self._worker.fault
        return {} if fault is None else {"sample_capture": fault}
