"""`hookline send`: signed requests to a webhook of a running stack."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

from hookline.configuration import settings_of_stack
from hookline.demo.alerts import SHAPES, sample
from hookline.demo_webhook import find_webhook
from hookline.errors import UsageError
from hookline.proving import Occasion, prove
from hookline.ready_file import ReadyFile
from hookline.signing import Answer, Sender
from infra.presets import load_presets
from infra.secretbox import load_secret_box

Bodies = Callable[[], bytes]


def bodies_of(file: Path | None, sample_name: str | None) -> Bodies:
    """What to send: the file's bytes each time, or a new alert of the sample's shape. Raises UsageError."""
    if (file is None) == (sample_name is None):
        raise UsageError(f"give either --file FILE or --sample NAME (one of {', '.join(SHAPES)})")
    if file is not None:
        try:
            content = file.read_bytes()
        except OSError as error:
            raise UsageError(f"{file}: {error.strerror}") from error
        return lambda: content
    assert sample_name is not None  # noqa: S101 - exactly one of the two is given
    if sample_name not in SHAPES:
        raise UsageError(f"there is no sample {sample_name}: the samples are {', '.join(SHAPES)}")
    name, source = sample_name, Random()  # noqa: S311 - made-up alerts
    return lambda: sample(name, source, int(time.time()))


def send_signed(ready: ReadyFile, slug: str, bodies: Bodies, count: int) -> Iterator[Answer]:
    """Send `count` requests one after the other, each proven with the webhook's own secret, whatever its scheme.

    The secret comes from the configuration that the receiver uses, opened with the stack's master key. Raises
    UsageError for an unknown webhook and for one only its sender can sign for, NotRunningError when nothing answers.
    """
    settings = settings_of_stack(ready)
    webhook = find_webhook(settings.kafka, load_secret_box(settings), tenant_slug=ready.tenant_slug, slug=slug)
    if webhook is None:
        raise UsageError(f"tenant {ready.tenant_slug} has no webhook {slug}")
    presets = load_presets(settings.presets_folder)
    path = f"/api/inbound/{ready.tenant_slug}/{slug}"
    base_url = settings.ingress.public_base_url or ready.ingress_url
    sender = Sender(ready.ingress_url + path)
    try:
        for _ in range(count):
            body = bodies()
            proof = prove(webhook, body, Occasion.now(base_url, path), presets)
            yield sender.send(body, proof.headers, proof.query)
    finally:
        sender.close()
