"""docs/senders.md, made from presets/; `--check` writes nothing and says whether it is current."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from infra.presets import load_presets  # noqa: E402  # the repository's own, before any installed one
from management.presets.words import ALGORITHMS  # noqa: E402
from schemas.handshakes import HandshakeCondition, HandshakeRule  # noqa: E402
from schemas.presets import (  # noqa: E402
    AcceptedAnswer,
    DeviceReports,
    Preset,
    PresetField,
    SignatureProof,
    SuggestedHandler,
    TokenProof,
)
from tools.made_file import write_or_check  # noqa: E402

PAGE = ROOT / "docs" / "senders.md"
HEAD = """# Senders

Hookline knows these senders by name. A webhook with `auth_type` `preset` proves, answers and reads its sender as the
sender documents it; you enter the secret and nothing else. `GET /api/v1/inbound-webhooks/presets` has the same as JSON.

- **Proof**: what is checked of every request, over its exact bytes. Where a time is signed, a request that is further
  off than the tolerance is refused, so that a captured one cannot be sent again later.
- **Handshake**: what the sender asks before it sends events. It is answered at once and is no delivery.
- **Answer**: what an accepted event is answered with where the sender takes no body with a delivery id. The header
  `x-delivery-id` has it everywhere.
- **Dedupe key**: the `idempotency_source` that a new webhook takes unless it says otherwise; `null` means none.
- **Documented**: whether the sender documents its scheme in public; where it does not, its section says what is known.

A sender that is not here: take `auth_type` `hmac_sha256`, `bearer`, `basic`, `api_key` or `path_token`
([webhooks.md](webhooks.md)), or write a file like those in `presets/` and name its folder in
`HOOKLINE_PRESETS_FOLDER`. Handlers to begin with find the client by the webhook's `metadata`: by the sender's id of the
customer where an event has one, else by `client`. Where a monitoring system shows its devices, a second handler makes
assets of them.

This page is made from `presets/` by `tools/write_senders.py`; a test holds it to them.

## At a glance
"""
CATEGORIES = {
    "rmm": "Remote monitoring and management",
    "psa": "Service desks and PSA",
    "security": "Security",
    "cloud": "Cloud",
    "identity": "Identity",
    "communication": "Communication and forms",
    "development": "Development and monitoring",
    "commerce": "Commerce and CRM",
    "payment": "Payment and accounting",
    "standard": "Standards",
}
COLUMNS = "| sender | proof | handshake | dedupe key | event type | documented |\n|---|---|---|---|---|---|\n"
SIGNED_PARTS = {"body": "body", "timestamp": "time", "id": "id", "url": "URL", "form": "form", "method": "method"}


def page() -> str:
    """The whole page as Markdown."""
    presets = sorted(load_presets().values(), key=lambda preset: preset.title.lower())
    by_category = {name: [preset for preset in presets if preset.category == name] for name in CATEGORIES}
    tables = [
        f"### {CATEGORIES[name]}\n\n{COLUMNS}{''.join(map(_row, found))}"
        for name, found in by_category.items()
        if found
    ]
    sections = ["\n".join(_section(preset)) for found in by_category.values() for preset in found]
    return "\n".join([HEAD, *tables, "## Setting them up\n", *sections])


def _row(preset: Preset) -> str:
    anchor = re.sub(r"[^\w\- ]", "", preset.title.lower()).replace(" ", "-")
    key, event = preset.idempotency_source, preset.event_type
    cells = (
        f"[{preset.title}](#{anchor})",
        _proof_in_short(preset.proof),
        "yes" if preset.handshakes else "",
        "none" if key is None else _in_short(key.value),
        "" if event is None else _in_short(event.header or event.jsonata or ""),
        "yes" if preset.documented else "**no**",
    )
    return f"| {' | '.join(cells)} |\n"


def _in_short(source: str) -> str:
    """A header or a path as it is; of a longer expression only that there is one."""
    return f"`{source}`" if re.fullmatch(r"[\w.\[\]$-]+", source) else "from the body"


def _proof_in_short(proof: SignatureProof | TokenProof) -> str:
    if isinstance(proof, TokenProof):
        return f"secret in the {proof.place}" if proof.place in ("header", "query", "body") else f"{proof.place} secret"
    parts = [SIGNED_PARTS.get(name, name) for name in re.findall(r"\{([a-z_]+)", proof.signed)]
    digest = [] if proof.body_digest is None else ["body"]
    return f"{ALGORITHMS[proof.algorithm]} of {', '.join(parts + digest)}"


def _section(preset: Preset) -> Iterator[str]:
    yield f"### {preset.title}\n\n{preset.summary}\n"
    yield f"- **Preset**: `{preset.name}`"
    yield f"- **Proof**: {_proof(preset)}"
    for rule in preset.handshakes:
        yield f"- **Handshake**: {_handshake(rule)}"
    if preset.accepted is not None:
        yield f"- **Answer**: an event is answered {_accepted(preset.accepted)}"
    yield f"- **Dedupe key**: {_dedupe(preset)}"
    yield f"- **Event type**: {_event_type(preset) or 'not said'}"
    yield f"- **Documentation**: {', '.join(f'<{url}>' for url in preset.documentation) or 'none in public'}\n"
    yield "| field of `auth_config` | what it is | when left out |\n|---|---|---|"
    yield from (f"| `{name}` | {_title(field)} | {_left_out(field)} |" for name, field in preset.fields.items())
    yield f"\n```json\n{json.dumps(_example(preset), ensure_ascii=False)}\n```\n"
    yield from (f"{number}. {step}" for number, step in enumerate(preset.setup, 1))
    if preset.suggested is not None:
        yield f"\nA handler to begin with (`handler_config`):\n\n{_handler(preset.suggested)}"
    if preset.notes:
        yield f"\n{preset.notes.strip()}"
    if preset.devices is not None:
        yield from _devices(preset.devices)
    yield ""


def _accepted(answer: AcceptedAnswer) -> str:
    return f"200 with `{answer.text}` ({answer.content_type})" if answer.text else "an empty 200"


def _handler(handler: SuggestedHandler) -> str:
    shown = json.dumps(handler.model_dump(exclude_none=True), indent=2, ensure_ascii=False)
    return f"```json\n{shown}\n```"


def _devices(devices: DeviceReports) -> Iterator[str]:
    yield f"\n**Devices** become assets through a webhook of their own ({_shape(devices)}):\n"
    yield from (f"{number}. {step}" for number, step in enumerate(devices.setup, 1))
    yield f"\n{_handler(devices.handler)}"
    yield f"\n{devices.notes.strip()}"


def _shape(devices: DeviceReports) -> str:
    links = ", ".join(f"<{url}>" for url in devices.documentation)
    source = devices.idempotency_source
    known = "shape documented" if devices.documented else "shape **not** documented"
    return f"dedupe key: {'none' if source is None else f'`{source.value}`'}; {known}: {links}"


def _proof(preset: Preset) -> str:
    proof = preset.proof
    return _signature(proof) if isinstance(proof, SignatureProof) else _token(proof)


def _signature(proof: SignatureProof) -> str:
    text = f"{ALGORITHMS[proof.algorithm]} of `{proof.signed}` in `{proof.header}` ({proof.encoding})"
    if proof.body_digest is not None:
        text += f", a body that is no form by its digest in the query (`{proof.body_digest.query}`)"
    if proof.timestamp is not None:
        text += f", time ± {proof.timestamp.tolerance_seconds} s"
    return text


def _token(proof: TokenProof) -> str:
    name = f"`{proof.name}`" if proof.name is not None else f"that the field `{proof.name_field}` names"
    places = {
        "header": f"the secret in the header {name}",
        "bearer": "the secret as bearer token (`Authorization`)",
        "basic": f"the user name {name} and the secret as its password (`Authorization`)",
        "query": f"the secret in the query parameter {name}",
        "body": f"the secret in the body at {name}",
    }
    return places[proof.place]


def _condition(condition: HandshakeCondition) -> str:
    if condition.equals_token:
        return f"`{condition.source}` is the webhook's handshake token"
    return f"`{condition.source}`" + ("" if condition.exists else f" is `{condition.equals}`")


def _handshake(rule: HandshakeRule) -> str:
    asked = " and ".join(_condition(condition) for condition in rule.when)
    answer = "nothing" if rule.text is None and rule.json_value is None else "the answer it asks for"
    proof = "" if rule.proof == "required" else ", without proof"
    return f"{', '.join(rule.methods)} with {asked} is answered {rule.status} and {answer}{proof}"


def _dedupe(preset: Preset) -> str:
    source = preset.idempotency_source
    if source is None:
        return "none"
    return f"header `{source.value}`" if source.type == "header" else f"`{source.value}`"


def _event_type(preset: Preset) -> str:
    source = preset.event_type
    if source is None:
        return ""
    return f"header `{source.header}`" if source.header is not None else f"`{source.jsonata}`"


def _title(field: PresetField) -> str:
    return f"{field.title}. {field.description}".strip()


def _left_out(field: PresetField) -> str:
    if field.generated is not None:
        return "Hookline makes one"
    if field.default is not None:
        return f"`{field.default}`"
    return "required" if field.required else "none"


def _example(preset: Preset) -> dict[str, object]:
    """What has to be entered and what stands there otherwise; nothing that Hookline makes."""
    own = {name: field.default or f"… {field.title} …" for name, field in preset.fields.items() if not field.generated}
    return {"auth_type": "preset", "auth_config": {"preset": preset.name, **own}}


def main() -> int:
    """Exit 0 when the file is written, or current, else 1."""
    return write_or_check(PAGE, page(), what="presets/ say", tool="write_senders.py")


if __name__ == "__main__":
    sys.exit(main())
