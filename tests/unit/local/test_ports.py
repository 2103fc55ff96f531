"""Ports are remembered, and given up only when somebody else has taken them."""

import socket
from pathlib import Path

from deployments.local.home import Home
from deployments.local.ports import is_free, remembered_ports


def test_a_port_stays_from_start_to_start_and_differs_from_the_others(tmp_path: Path) -> None:
    home = Home.open(tmp_path)
    first = remembered_ports(home, ("postgres", "sandbox"))
    assert len(set(first.values())) == 2
    assert remembered_ports(home, ("postgres", "sandbox")) == first


def test_a_port_that_was_taken_is_chosen_anew(tmp_path: Path) -> None:
    home = Home.open(tmp_path)
    old = remembered_ports(home, ("postgres",))["postgres"]
    with socket.create_server(("127.0.0.1", old)):
        assert not is_free(old)
        assert remembered_ports(home, ("postgres",))["postgres"] != old
