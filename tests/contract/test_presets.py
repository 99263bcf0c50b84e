"""Every sender of presets/ over every one of its samples: proven, refused where anything is wrong, read and mapped.

A preset or a sample that is added is tested by being there.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
import standardwebhooks
import svix

from infra.proofs.requests import BAD_TIMESTAMP
from infra.proofs.signed_ids import signed_id_of
from infra.requests.filters import compile_filters
from infra.requests.headers import stored_of
from infra.requests.keys import build_key, key_compiler
from management.inbound_webhooks.rules.problems import Problems
from management.inbound_webhooks.rules.proof import check_proof, check_secret
from management.inbound_webhooks.rules.replay_guard import check_replay_guard
from management.inbound_webhooks.secret_forms import secret_form
from schemas.presets import Preset, PresetSample, SignatureProof
from schemas.webhooks import IdempotencySource
from tests.support.presets import (
    LIMITS,
    PRESETS,
    Case,
    answer_of,
    auth_of,
    blanked,
    headers_of,
    is_proven,
    mapped,
    parsed,
    request_of,
    verdict,
    verifier_of,
    with_another_key,
    without_secret,
)
from tools.write_senders import PAGE, page

ASKED_FOR = """
github gitlab stripe shopify slack meta microsoft-graph twilio zoom okta discord standard-webhooks
ninjaone datto-rmm n-able-n-central kaseya-vsa connectwise-automate connectwise-manage auvik huntress tactical-rmm
syncro atera pulseway level
"""
CLIENT = "Acme Ltd"
#: Requests of these hold many events; the key is the whole list of them, or of their ids, whatever they are.
KEY_IS_ALL_THAT_CAME = frozenset({"bitdefender-gravityzone", "meta", "microsoft-graph", "quickbooks"})


def cases(wanted: Callable[[Preset, PresetSample], bool]) -> pytest.MarkDecorator:
    """The test runs with every preset and sample that is wanted."""
    found = [(preset, sample) for preset in PRESETS.values() for sample in preset.samples if wanted(preset, sample)]
    return pytest.mark.parametrize("case", found, ids=[f"{preset.name}: {sample.name}" for preset, sample in found])


EVERY = cases(lambda preset, sample: True)
PROVEN = cases(is_proven)
SIGNED = cases(lambda preset, sample: is_proven(preset, sample) and isinstance(preset.proof, SignatureProof))
TIMED = cases(lambda preset, sample: isinstance(preset.proof, SignatureProof) and preset.proof.timestamp is not None)
IDENTIFIED = cases(lambda preset, sample: isinstance(preset.proof, SignatureProof) and bool(preset.proof.id_header))
EVENTS = cases(lambda preset, sample: sample.answer is None)
HANDSHAKES = cases(lambda preset, sample: sample.answer is not None)
BY_PRESET = pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)


def test_every_sender_that_was_asked_for_is_there() -> None:
    assert sorted(set(ASKED_FOR.split()) - PRESETS.keys()) == []


@BY_PRESET
def test_a_sender_names_its_documentation_and_what_is_not_documented_is_explained(preset: Preset) -> None:
    assert preset.documentation
    assert all(url.startswith("https://") for url in preset.documentation)
    assert preset.documented or preset.notes


@BY_PRESET
def test_a_sender_shows_at_least_one_event_that_its_suggestion_can_be_tried_with(preset: Preset) -> None:
    assert any(sample.answer is None and parsed(sample) is not None for sample in preset.samples)


@BY_PRESET
def test_every_kind_of_handshake_has_a_sample(preset: Preset) -> None:
    assert sum(sample.answer is not None for sample in preset.samples) >= len(preset.handshakes)


@cases(lambda preset, sample: sample.source != "documentation")
def test_management_takes_what_a_sample_is_proven_with_and_the_presets_dedupe_key(case: Case) -> None:
    preset, sample = case
    config = {"type": "preset", "preset": preset.name, **without_secret(preset, sample.fields)}
    source = preset.idempotency_source
    problems = Problems()
    check_proof("preset", config, PRESETS, problems)
    form = secret_form("preset", config, PRESETS)
    if form is not None:
        check_secret(f"auth_config.{form.member}", form, sample.fields[form.member], problems)
    members = {"idempotency_source": None if source is None else source.model_dump()}
    check_replay_guard({"auth_type": "preset", "auth_config": config} | members, PRESETS, problems)
    assert problems.found == []


@PROVEN
def test_a_sample_proves_its_sender(case: Case) -> None:
    assert verdict(case) is None


@PROVEN
def test_a_sample_proves_nothing_with_another_secret(case: Case) -> None:
    preset, sample = case
    assert verifier_of(preset, with_another_key(case))(request_of(sample), sample.at * 1_000_000) is not None


@PROVEN
def test_a_sample_without_its_proof_is_refused(case: Case) -> None:
    bare = request_of(case[1])._replace(headers={}, query="", body=b"{}")
    assert verdict(case, bare) is not None


@SIGNED
def test_a_sample_with_one_byte_changed_is_refused(case: Case) -> None:
    request = request_of(case[1])
    changed = request.body[:-1] + bytes([request.body[-1] ^ 1])
    assert verdict(case, request._replace(body=changed)) is not None


@TIMED
def test_a_sample_is_good_for_as_long_as_the_tolerance_and_no_longer(case: Case) -> None:
    proof = case[0].proof
    assert isinstance(proof, SignatureProof)
    assert proof.timestamp is not None
    tolerance = proof.timestamp.tolerance_seconds
    for inside in (-tolerance + 1, tolerance - 1):
        assert verdict(case, later_seconds=inside) is None
    for outside in (-tolerance - 2, tolerance + 2):
        assert verdict(case, later_seconds=outside) == BAD_TIMESTAMP


@IDENTIFIED
def test_the_id_of_an_event_is_read_where_it_is_signed_and_cannot_be_changed(case: Case) -> None:
    preset, sample = case
    assert isinstance(preset.proof, SignatureProof)
    assert preset.proof.id_header is not None
    request, header = request_of(sample), preset.proof.id_header.lower()
    id_of = signed_id_of(auth_of(preset, sample.fields), PRESETS)
    assert id_of is not None
    assert id_of(request) == request.headers[header]
    assert verdict(case, request._replace(headers={**request.headers, header: "another"})) is not None


@IDENTIFIED
def test_foreign_implementations_sign_alike(case: Case) -> None:
    preset, sample = case
    secret = sample.fields["secret"]
    sign = svix.Webhook(secret).sign if preset.name == "svix" else standardwebhooks.Webhook(secret).sign
    assert isinstance(preset.proof, SignatureProof)
    assert preset.proof.id_header is not None
    headers, at = headers_of(sample), datetime.fromtimestamp(sample.at, UTC)
    assert sign(headers[preset.proof.id_header], at, sample.body) == headers[preset.proof.header]


@EVERY
def test_nothing_that_proves_the_sender_is_stored(case: Case) -> None:
    preset, sample = case
    request = request_of(sample)
    stored = stored_of(auth_of(preset, sample.fields), PRESETS).pick(request.headers)
    if isinstance(preset.proof, SignatureProof):
        assert preset.proof.header.lower() not in stored
    elif preset.proof.place != "body":
        assert all(sample.fields[preset.key_field] not in value for value in stored.values())


@EVENTS
def test_the_event_type_and_the_dedupe_key_are_read(case: Case) -> None:
    preset, sample = case
    compile_key = key_compiler(timeout_seconds=1.0)
    key_of = build_key(preset.idempotency_source, compile_key)
    key = None if key_of is None else key_of(headers_of(sample), parsed(sample), sample.at * 1_000)
    source, event_type = preset.event_type, None
    if source is not None and source.header is not None:
        event_type = headers_of(sample).get(source.header.lower())
    elif source is not None and source.jsonata is not None:
        event_type = compile_key(source.jsonata)(parsed(sample), sample.at * 1_000)
    assert (event_type, key) == (sample.event_type, sample.idempotency_key)


@BY_PRESET
def test_bodies_without_what_names_an_event_are_neither_duplicates_nor_one_ticket(preset: Preset) -> None:
    bodies = [{}, [], {"event": {}, "action": "a", "status": "s"}]
    if preset.name not in KEY_IS_ALL_THAT_CAME:
        bodies += [blanked(sample) for sample in preset.samples]
    compile_key = key_compiler(timeout_seconds=1.0)
    sources = [] if preset.idempotency_source is None else [preset.idempotency_source]
    if preset.suggested is not None and "external_id" in preset.suggested.field_mapping:
        named = preset.suggested.field_mapping["external_id"]
        sources.append(IdempotencySource(type="jsonata", value=named))
    for source in sources:
        key_of = build_key(source, compile_key)
        assert key_of is not None
        assert [key_of({}, body, 0) for body in bodies] == [None] * len(bodies)


@cases(lambda preset, sample: preset.suggested is not None and sample.answer is None and sample.event_type is not None)
def test_the_suggested_mapping_gives_valid_fields(case: Case) -> None:
    fields = mapped(*case, {"client": CLIENT})
    assert fields
    assert not {name for name, value in fields.items() if value in ("", None)}


@cases(lambda preset, sample: preset.suggested is not None and sample.body.startswith(("{", "[")))
def test_a_suggested_mapping_does_without_what_a_body_leaves_null(case: Case) -> None:
    preset, sample = case
    assert preset.suggested is not None
    mapping = {name: preset.suggested.field_mapping.get(name, "()") for name in ("client_id", "priority_id")}
    handler = preset.suggested.model_copy(update={"field_mapping": mapping | {"title": "'Alert'"}})
    body = sample.model_copy(update={"body": json.dumps(blanked(sample))})
    fields = mapped(preset.model_copy(update={"suggested": handler}), body, {"client": CLIENT})
    assert fields == {"title": "Alert", "client_id": CLIENT}


def test_a_suggested_mapping_finds_the_client_by_the_senders_id_of_it() -> None:
    preset = PRESETS["meraki"]
    fields = mapped(preset, preset.samples[0], {"2930418": "Contoso", "client": CLIENT})
    assert fields["client_id"] == "Contoso"


@cases(lambda preset, sample: preset.suggested is not None and "priority_id" in preset.suggested.field_mapping)
def test_a_suggested_mapping_takes_the_priority_that_metadata_names_for_the_severity(case: Case) -> None:
    severities = ["CRITICAL", "Critical", "critical", "Elevated", "Failed", "error", "agent_offline_trigger"]
    names = {f"priority {severity}": "Urgent" for severity in [*severities, "Priority 1 - Critical"]}
    assert mapped(*case, {"client": CLIENT} | names)["priority_id"] == "Urgent"
    assert "priority_id" not in mapped(*case, {"client": CLIENT})


@BY_PRESET
def test_filters_that_setup_advises_let_an_event_of_the_sender_through(preset: Preset) -> None:
    events = [sample for sample in preset.samples if sample.answer is None]
    for step in preset.setup:
        if " filters {" in step:
            document, _ = json.JSONDecoder().raw_decode(step[step.index(" filters {") + len(" filters ") :])
            stopped_by = compile_filters(document, limits=LIMITS).stopped_by
            assert any(
                stopped_by(parsed(event), headers_of(event), now_ms=event.at * 1_000) is None for event in events
            )


@HANDSHAKES
def test_a_handshake_is_answered_exactly(case: Case) -> None:
    preset, sample = case
    assert sample.answer is not None
    found = answer_of(case, sample.fields, proven=is_proven(preset, sample))
    assert found is not None
    assert found.status == sample.answer.status
    if sample.answer.json_value is not None:
        assert json.loads(found.body) == sample.answer.json_value
        assert found.content_type.startswith("application/json")
    else:
        assert found.body == (sample.answer.text or "").encode()


@cases(lambda preset, sample: sample.answer is not None and is_proven(preset, sample))
def test_a_handshake_that_asks_for_proof_is_not_answered_without(case: Case) -> None:
    assert answer_of(case, case[1].fields, proven=False) is None


@cases(
    lambda preset, sample: (
        sample.answer is not None
        and any(condition.equals_token for rule in preset.handshakes for condition in rule.when)
    )
)
def test_a_handshake_token_of_another_webhook_is_not_answered(case: Case) -> None:
    assert answer_of(case, with_another_key(case), proven=True) is None


@EVENTS
def test_an_event_is_taken_for_no_handshake(case: Case) -> None:
    assert answer_of(case, case[1].fields, proven=True) is None


def test_the_page_of_senders_is_what_the_presets_say() -> None:
    assert PAGE.read_text("utf-8") == page(), "run tools/write_senders.py"
