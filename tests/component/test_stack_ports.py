"""Ports of a stack: asked for, remembered, usual or any, and never two stacks' at once."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from hookline import stack_ports
from hookline.embedded import ports
from hookline.embedded.errors import PortInUse
from hookline.stack_ports import PURPOSES, reserve_ports

ANY = dict.fromkeys(PURPOSES, 0)


@pytest.fixture
def held() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def test_a_second_stack_gets_other_ports_while_nothing_listens_yet(held: ExitStack, tmp_path: Path) -> None:
    first = reserve_ports(ANY, tmp_path / "a.json", held)
    second = reserve_ports(dict.fromkeys(PURPOSES), tmp_path / "a.json", held)
    assert not set(first.values()) & set(second.values())


def test_a_folder_gets_its_ports_back(tmp_path: Path) -> None:
    with ExitStack() as first_run:
        first = reserve_ports(ANY, tmp_path / "ports.json", first_run)
    with ExitStack() as second_run:
        assert reserve_ports(dict.fromkeys(PURPOSES), tmp_path / "ports.json", second_run) == first


def test_the_usual_ports_are_taken_when_they_are_free(
    held: ExitStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = dict(zip(PURPOSES, ports.pick_free(len(PURPOSES)), strict=True))
    monkeypatch.setattr(stack_ports, "PREFERRED", usual)
    assert reserve_ports({}, tmp_path / "ports.json", held) == usual


def test_a_port_that_was_asked_for_and_is_in_use_is_named(held: ExitStack, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        number = listener.getsockname()[1]
        with pytest.raises(PortInUse, match=f"port {number} \\(management\\)"):
            reserve_ports(ANY | {"management": number}, tmp_path / "ports.json", held)


def test_a_damaged_file_of_remembered_ports_is_no_reason_to_fail(held: ExitStack, tmp_path: Path) -> None:
    (tmp_path / "ports.json").write_text("{")
    assert set(reserve_ports(ANY, tmp_path / "ports.json", held)) == set(PURPOSES)
