"""Presets are read from the package and from a folder of the operator's; what cannot be used is named."""

from pathlib import Path

import pytest

from infra.errors import PresetError
from infra.presets import load_presets

OWN = """
name: own-sender
title: Our own sender
category: standard
summary: A script of ours.
documentation: ["https://example.com/hooks"]
documented: true
fields:
  secret: {title: Secret, secret: true, generated: token}
proof: {kind: token, place: bearer}
setup: ["Give the script the token."]
samples:
  - {name: event, source: made, fields: {secret: sixteen-letters-and-more}, at: 1790000000,
     headers: {Authorization: "Bearer sixteen-letters-and-more"}, body: "{}"}
"""


def written(folder: Path, text: str = OWN, name: str = "own-sender.yaml") -> Path:
    (folder / name).write_text(text)
    return folder


def test_a_folder_adds_senders_to_those_of_the_package(tmp_path: Path) -> None:
    presets = load_presets(written(tmp_path))
    assert presets["own-sender"].secret_field == "secret"
    assert "github" in presets
    assert "own-sender" not in load_presets()


def test_a_file_of_the_folder_replaces_the_packages(tmp_path: Path) -> None:
    folder = written(tmp_path, OWN.replace("own-sender", "github"), "github.yaml")
    assert load_presets(folder)["github"].title == "Our own sender"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [", "not YAML"),
        ("[]", "the file"),
        (OWN.replace("category: standard", "category: NO"), "category"),
        (OWN + "surprise: 1\n", "surprise"),
        (OWN.replace("name: own-sender", "name: other"), "name is 'other'"),
        (OWN.replace("place: bearer", "place: header"), "bearer has neither name nor name_field"),
        (OWN.replace("{kind: token,", "{kind: token, field: key,"), "the proof names the field key"),
        (OWN.replace("  secret: {", "  type: {title: T}\n  secret: {"), "type cannot be a field"),
    ],
)
def test_what_cannot_be_used_is_named_with_its_file(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(PresetError, match=r"own-sender\.yaml") as caught:
        load_presets(written(tmp_path, text))
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ('signed: "{timestamp}", timestamp: {header: X-Time}', "does not cover the body"),
        ('signed: "{url}{form}"', "does not cover the body"),
        ('signed: "{boddy}{body}"', "{boddy} is no placeholder"),
        ('signed: "{url}", body_digest: {query: d}', "has to hold {form}"),
        ('signed: "{form}", body_digest: {query: d}', "{url} or {query}"),
        ("timestamp: {header: X-Time}", "does not cover the timestamp"),
        ("separator: ',', timestamp: {element: t}", "does not cover the timestamp"),
        ("id_header: X-Id", "does not cover id_header"),
        ('signed: "{header:X-Other}{body}", id_header: X-Id', "does not cover id_header"),
    ],
)
def test_a_signature_has_to_cover_what_is_trusted_of_a_request(tmp_path: Path, members: str, said: str) -> None:
    proof = f"{{kind: signature, header: X-Sig, algorithm: hmac_sha256, encoding: hex, {members}}}"
    with pytest.raises(PresetError, match=r"own-sender\.yaml: proof") as caught:
        load_presets(written(tmp_path, OWN.replace("{kind: token, place: bearer}", proof)))
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "members",
    [
        'signed: "{header:x-time}.{header:X-ID}.{body_sha256_hex}", timestamp: {header: X-Time}, id_header: x-id',
        'signed: "{query}{form}", body_digest: {query: d}',
        'signed: "{timestamp}.{body}", separator: ",", timestamp: {element: t}',
    ],
)
def test_a_signature_that_covers_it_in_another_way_is_good(tmp_path: Path, members: str) -> None:
    proof = f"{{kind: signature, header: X-Sig, algorithm: hmac_sha256, encoding: hex, {members}}}"
    loaded = load_presets(written(tmp_path, OWN.replace("{kind: token, place: bearer}", proof)))
    assert loaded["own-sender"].proof.kind == "signature"


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(PresetError, match="nowhere"):
        load_presets(tmp_path / "nowhere")
