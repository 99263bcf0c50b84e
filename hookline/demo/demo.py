"""`hookline demo`: start, send, wait, count, show."""

import shlex
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from hookline.configuration import load_settings, settings_of_stack
from hookline.console import output_console
from hookline.demo.alerts import SHAPES
from hookline.demo.balance import Balance, draw_balance
from hookline.demo.evidence import Evidence, Witness
from hookline.demo.host import DemoStack
from hookline.demo.plan import REQUESTS, build_plan
from hookline.demo.report import show_balance, show_tickets, show_times
from hookline.demo.steps import Steps
from hookline.demo.traffic import CONNECTIONS, REQUESTS_PER_SECOND, SentRequest, send_plan
from hookline.demo_webhook import SLUG, find_webhook
from hookline.embedded.jars import ensure_kafka_jars
from hookline.errors import NotRunningError, UsageError
from hookline.ready_file import ReadyFile
from hookline.up import example_curl, places
from infra.secretbox import load_secret_box

_SEED = 20_260_101
_SETTLE_SECONDS_MAX = 60.0


def run_demo(data_dir: Path | None, *, keep: bool) -> bool:
    """True when every count agrees. Raises HooklineError, EmbeddedError; the stack is stopped unless `keep`."""
    console = output_console()
    folder = _choose_folder(data_dir)
    steps = Steps(console)
    console.print(f"[bold]Hookline demo[/bold]  [dim]{folder}[/dim]\n")
    ensure_kafka_jars()
    agrees = False
    stack = DemoStack(folder, keep=keep)
    try:
        with steps.step("starting the stack", done="stack is ready") as step:
            step.detail = "Kafka, Postgres, ClickHouse, five roles in four processes"
            ready = stack.await_ready(step.show)
        sent, evidence = _send_and_settle(ready, steps)
        balance = draw_balance(sent, evidence)
        agrees = balance.agrees
        _show(console, balance, sent, evidence)
        if keep:
            _show_what_is_left(console, ready)
    finally:
        if not (keep and agrees):
            with steps.step("stopping", done="stopped") as step:
                stack.stop()
    _show_end(console, folder, agrees=agrees, keep=keep, temporary=data_dir is None)
    return agrees


def _choose_folder(data_dir: Path | None) -> Path:
    if data_dir is None:
        return Path(tempfile.mkdtemp(prefix="hookline-demo-"))
    if data_dir.exists() and any(data_dir.iterdir()):
        raise UsageError(f"{data_dir} is not empty: the demonstration counts everything it finds, so it starts afresh")
    return data_dir.absolute()


def _send_and_settle(ready: ReadyFile, steps: Steps) -> tuple[list[SentRequest], Evidence]:
    settings = settings_of_stack(ready)
    secret_box = load_secret_box(settings)
    webhook = find_webhook(settings.kafka, secret_box, tenant_slug=ready.tenant_slug, slug=SLUG)
    if webhook is None:
        raise NotRunningError(f"the stack has no webhook {SLUG}")
    plan = build_plan(_SEED, int(time.time()))
    with steps.step("sending alerts", total=len(plan), done=f"{REQUESTS:,} alerts sent") as step:
        step.detail = f"shapes: {', '.join(SHAPES)} · {CONNECTIONS} connections, {REQUESTS_PER_SECOND}/s"
        sent = send_plan(plan, ready.webhook_url, webhook, step.advance)
    witness = Witness(ready, webhook)
    accepted = sum(1 for entry in sent if entry.status == 200)
    with steps.step("waiting for the rest", total=accepted, done="everything is settled") as step:
        step.detail = "no delivery is pending any more"
        settled = witness.await_settled(
            accepted, len(sent) - accepted, step.advance, timeout_seconds=_SETTLE_SECONDS_MAX
        )
        if not settled:
            step.detail = f"[red]not everything within {_SETTLE_SECONDS_MAX:.0f} s[/red]"
        evidence = witness.collect()
    witness.close()
    return sent, evidence


def _show(console: Console, balance: Balance, sent: Sequence[SentRequest], evidence: Evidence) -> None:
    show_balance(console, balance)
    show_tickets(console, evidence.examples)
    show_times(console, sent, evidence)
    console.print()


def _show_what_is_left(console: Console, ready: ReadyFile) -> None:
    for name, text in places(ready).items():
        console.print(f"[dim]{name:<11}[/dim] {text}")
    console.print("\nOne more alert; pasted twice, the second is a duplicate:\n")
    console.print(example_curl(ready, load_settings()), markup=False)
    data_dir = shlex.quote(str(ready.data_dir))
    console.print(f"\nhookline status --data-dir {data_dir}", markup=False)
    console.print(f"kill {ready.pid}   [dim]# stops everything[/dim]")


def _show_end(console: Console, folder: Path, *, agrees: bool, keep: bool, temporary: bool) -> None:
    """The last words, and the temporary folder goes unless it is needed to find out what went wrong."""
    if not agrees:
        console.print(f"\n[red bold]The counts do not agree.[/red bold] Logs: {folder}/logs")
        return
    if temporary and not keep:
        shutil.rmtree(folder, ignore_errors=True)
    console.print("\n[green bold]Every request is accounted for.[/green bold]", end="")
    console.print("" if keep else "  [dim]make demo KEEP=1 leaves the stack running to look around.[/dim]")
