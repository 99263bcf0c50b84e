"""How a sender proves itself and introduces itself, in words. Pure."""

import json

from schemas.handshakes import HandshakeCondition, HandshakeRule
from schemas.presets import AcceptedAnswer, Preset, SignatureProof, TokenProof

ALGORITHMS = {
    "hmac_sha1": "HMAC-SHA1",
    "hmac_sha256": "HMAC-SHA256",
    "hmac_sha512": "HMAC-SHA512",
    "ed25519": "Ed25519",
}
_SEPARATORS = {",": "comma", " ": "blank"}


def proof_in_words(preset: Preset) -> str:
    """One sentence, or two."""
    proof = preset.proof
    return _signature_in_words(proof) if isinstance(proof, SignatureProof) else _token_in_words(proof)


def handshake_in_words(rule: HandshakeRule) -> str:
    """One sentence."""
    answer = "nothing"
    if rule.text is not None:
        answer = rule.text
    elif rule.json_value is not None:
        answer = json.dumps(rule.json_value, ensure_ascii=False)
    when = " and ".join(_condition_in_words(condition) for condition in rule.when)
    proven = "with its proof" if rule.proof == "required" else "without a proof"
    return f"{' or '.join(rule.methods)} {proven}, where {when}: answered {rule.status} with {answer}"


def accepted_in_words(answer: AcceptedAnswer | None) -> str:
    """What an accepted event is answered with."""
    if answer is None:
        return "200 with the delivery id"
    return f"200 with {answer.text} as {answer.content_type}" if answer.text else "an empty 200"


def _signature_in_words(proof: SignatureProof) -> str:
    words = f"{ALGORITHMS[proof.algorithm]} of {proof.signed} under {proof.key.field}, as {proof.encoding} in the "
    words += f"header {proof.header}"
    if proof.prefix:
        words += f' behind "{proof.prefix}"'
    if proof.separator is not None:
        words += f", one value of several with a {_SEPARATORS[proof.separator]} between"
    stamp = proof.timestamp
    if stamp is not None:
        place = f"in the header {stamp.header}" if stamp.header is not None else f"as {stamp.element} in the same one"
        words += f". The time stands {place} and may be {stamp.tolerance_seconds} seconds off"
    if proof.id_header is not None:
        words += f". The id in {proof.id_header} is signed too: a request that is sent again is a duplicate"
    if proof.body_digest is not None:
        words += f". The query parameter {proof.body_digest.query} holds a digest of the body"
    return words


def place_in_words(proof: TokenProof, name: str) -> str:
    """Where a token stands; `name` is the header's, the parameter's, the user's, or the path in the body."""
    places = {
        "header": f"in the header {name}",
        "bearer": "as a bearer token in the header Authorization",
        "basic": f"as the password of basic authentication, with the user name {name}",
        "query": f"in the query parameter {name}",
        "body": f"in the body at {name}",
    }
    return places[proof.place]


def _token_in_words(proof: TokenProof) -> str:
    name = proof.name if proof.name is not None else f"that {proof.name_field} names"
    behind = f', behind "{proof.prefix}"' if proof.prefix else ""
    return f"{proof.field} comes with every request {place_in_words(proof, name)}{behind}"


def _condition_in_words(condition: HandshakeCondition) -> str:
    if condition.exists:
        return f"{condition.source} is there"
    if condition.equals_token:
        return f"{condition.source} is the handshake token of the webhook"
    return f"{condition.source} is {json.dumps(condition.equals, ensure_ascii=False)}"
