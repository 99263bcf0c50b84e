"""The search for planted secrets finds what it is meant to find."""

import base64
from pathlib import Path

import pytest

from tests.support.planted import Found, Search, Secret, plant

CHOSEN = plant("chosen")
MADE = Secret("made", b"some-secret_of-the-system")


@pytest.mark.parametrize("secret", [CHOSEN, MADE], ids=["chosen", "made"])
@pytest.mark.parametrize("before", [b"", b"s", b"se", b"sender:"])
def test_a_secret_is_found_as_it_is_and_encoded(secret: Secret, before: bytes) -> None:
    search = Search(CHOSEN, MADE, plant("another"))
    text = before + secret.value + b" and more"
    for content in (text, text.hex().encode(), base64.b64encode(text), base64.urlsafe_b64encode(text)):
        assert search.in_bytes(content, "here") == [Found(secret.name, "here")]


def test_other_secrets_and_parts_of_one_are_not_it() -> None:
    search = Search(CHOSEN, MADE)
    assert search.in_bytes(plant("another").value + CHOSEN.value[:-1] + MADE.value[1:], "here") == []


def test_files_are_read_whole_also_behind_a_hole(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "segment"
    path.parent.mkdir()
    with path.open("wb") as file:
        file.seek(8_000_000)
        file.write(CHOSEN.value)
        file.truncate(16_000_000)
    (tmp_path / "empty").touch()
    assert Search(CHOSEN).in_files(tmp_path) == [Found("chosen", "folder/segment")]
    assert Search(CHOSEN).in_files(tmp_path, but=frozenset({path})) == []
