"""How the senders of one version of a webhook prove themselves and introduce themselves, compiled."""

from collections.abc import Sequence

from infra.proofs.handshakes import Handshakes, compile_handshakes, handshake_rules
from infra.proofs.requests import Secret, Verify
from infra.proofs.signed_ids import SignedIdOf, signed_id_of
from infra.proofs.verify import Presets, build_verifier, preset_of, signs_url
from infra.requests.headers import StoredHeaders, proof_body_path, stored_of
from ingress.core.answers import with_content
from schemas.webhooks import WebhookConfig


class Proof:
    """Raises UnknownPresetError, ProofError.

    `is_asked_for`: whether there is anything to prove at all. `signs_url`: whether it takes the request's `base_url`.
    `handshakes` is None where there are no rules. `stored` is what may be kept of such requests, `redact_paths` what is
    masked in their bodies: the webhook's own paths, and where the proof stands. `accepted`: what a sender that takes no
    delivery id is answered (`answers.with_content`).
    """

    __slots__ = (
        "accepted",
        "handshakes",
        "is_asked_for",
        "redact_paths",
        "signed_id_of",
        "signs_url",
        "stored",
        "verify",
    )

    def __init__(self, config: WebhookConfig, secrets: Sequence[Secret], presets: Presets) -> None:
        auth = config.auth_config
        self.verify: Verify = build_verifier(auth, secrets, presets)
        self.is_asked_for = auth.type != "none" or bool(auth.ip_cidrs)
        self.signs_url = signs_url(auth, presets)
        self.signed_id_of: SignedIdOf | None = signed_id_of(auth, presets)
        rules = handshake_rules(auth, config.handshake, presets)
        self.handshakes: Handshakes | None = compile_handshakes(rules, secrets) if rules else None
        self.stored: StoredHeaders = stored_of(auth, presets)
        path = proof_body_path(auth, presets)
        self.redact_paths = config.redact_paths if path is None else (*config.redact_paths, path)
        preset = preset_of(auth, presets)
        answer = None if preset is None else preset.accepted
        self.accepted = None if answer is None else with_content(answer.text.encode(), answer.content_type)
