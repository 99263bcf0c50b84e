"""Opening a capture and clearing a sample; what a capture finds is the worker's matter."""

from uuid import UUID

from infra.clock import rfc3339
from management.access import Actor
from management.webhook_samples.repository import SampleRepository
from management.webhook_samples.schemas import OpenCapture


class SampleService:
    """Raises NotFoundError, and PostgresUnavailableError while Postgres is away."""

    def __init__(self, repository: SampleRepository) -> None:
        self._repository = repository

    def open_capture(self, actor: Actor, webhook_id: UUID) -> OpenCapture:
        """Have the next verified body kept, in place of any older sample."""
        expires_at_us = self._repository.open_capture(actor, webhook_id)
        return OpenCapture(sample_capture_expires_at=rfc3339(expires_at_us))

    def clear(self, actor: Actor, webhook_id: UUID) -> None:
        """Forget the sample and stop looking for one."""
        self._repository.clear(actor, webhook_id)
