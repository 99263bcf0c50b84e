"""`hookline up` as a person sees it: progress, what to do next, and an orderly end on Ctrl-C or SIGTERM."""

import shlex
import signal
import sys
import threading
import time
from random import Random

from rich.console import Console

from hookline.console import Progress, output_console
from hookline.demo.alerts import sample
from hookline.demo_webhook import SLUG, find_webhook
from hookline.embedded.jars import ensure_kafka_jars
from hookline.errors import StartInterruptedError
from hookline.ready_file import ReadyFile
from hookline.seed import DEMO_ADMIN_EMAIL
from hookline.signing import curl_line, sign
from hookline.stack import Stack, StackOptions
from hookline.stack_folder import StackFolder
from infra.secretbox import load_secret_box
from infra.settings import KafkaSettings, Settings


def run_up(options: StackOptions, settings: Settings) -> None:
    """Bring the stack up, watch over it until SIGTERM or SIGINT, take it down. Raises EmbeddedError, HooklineError."""
    console = output_console()
    if not options.external:
        ensure_kafka_jars()  # before signals are ours: Ctrl-C ends a long download at once
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    progress = Progress(console)
    console.print(f"[bold]Hookline[/bold]  {options.data_dir.absolute()}")
    stack = Stack(options, settings, progress.say, stopping)
    try:
        ready = stack.start()
        show_next_steps(console, ready, settings, seconds=progress.seconds)
        for line in sign_in_lines(ready, stack.first_password if console.is_terminal else None):
            console.print(line, markup=False)
        sys.stdout.flush()
        stack.watch()
    except StartInterruptedError as interruption:
        progress.say(str(interruption))
    finally:
        progress.say("stopping")
        stack.stop()
    progress.say("stopped")


def show_next_steps(console: Console, ready: ReadyFile, settings: Settings, *, seconds: float) -> None:
    """Where everything is, and two lines to paste."""
    folder = StackFolder(ready.data_dir)
    console.print(f"\n[bold green]Ready[/bold green] after {seconds:.1f} s. Ctrl-C stops everything.\n")
    for name, text in places(ready).items():
        console.print(f"  [dim]{name:<11}[/dim] {text}")
    data_dir = shlex.quote(str(ready.data_dir))
    key = f"$(cat {shlex.quote(str(folder.api_key_file))})"
    console.print("\nSend an alert, then look at what became of it:\n")
    console.print(f"  {example_curl(ready, settings)}", markup=False)
    console.print(f'  curl -sS -H "Authorization: Bearer {key}" {ready.management_url}/api/v1/deliveries', markup=False)
    console.print(f"\nOr: hookline send {SLUG} --sample datto --data-dir {data_dir}\n", markup=False)


def sign_in_lines(ready: ReadyFile, first_password: str | None) -> list[str]:
    """How a person signs in. `first_password` is shown: None unless this start made it and a person sees it, no log."""
    password_file = StackFolder(ready.data_dir).admin_password_file
    if first_password is not None:
        password = f"password: {first_password} (shown this once, kept in {password_file})"
    elif password_file.exists():
        password = f"password: in {password_file}, unless it was changed since"
    else:
        password = f"password lost? hookline users set-password {DEMO_ADMIN_EMAIL} --tenant {ready.tenant_slug}"
    return [
        f"Sign in at {ready.management_url} to tenant {ready.tenant_slug} as {DEMO_ADMIN_EMAIL}",
        f"  {password}",
        "",
    ]


def places(ready: ReadyFile) -> dict[str, str]:
    """Where a person finds what."""
    folder = StackFolder(ready.data_dir)
    return {
        "webhook": ready.webhook_url,
        "management": f"{ready.management_url}/api/v1/docs",
        "Kafka": ready.kafka_bootstrap,
        "data": str(ready.data_dir),
        "logs": str(folder.logs),
        "API key": str(folder.api_key_file),
        "ready file": str(folder.ready_file),
    }


def example_curl(ready: ReadyFile, settings: Settings) -> str:
    """A line that sends one new, correctly signed alert; pasted twice it shows a duplicate."""
    secret_box = load_secret_box(settings.model_copy(update={"master_key_file": ready.master_key_file}))
    kafka: KafkaSettings = settings.kafka.model_copy(update={"bootstrap": ready.kafka_bootstrap})
    webhook = find_webhook(kafka, secret_box, tenant_slug=ready.tenant_slug, slug=SLUG)
    if webhook is None:
        return f"# webhook {SLUG} is gone"
    body = sample("atera", Random(), int(time.time()))  # noqa: S311 - an example, not a secret
    return curl_line(ready.webhook_url, body, sign(webhook, body))
