"""The form of a key, and how it is recognised."""

import re

import pytest

from models.identity.keys import key_id_of, mac_of, new_key, same_mac

PEPPER = bytes(32)
ID, SECRET = "0Az" * 4, "0Az" * 14 + "0"


def test_a_key_carries_its_id_and_256_random_bits() -> None:
    keys = {new_key() for _ in range(200)}
    assert len({key_id for key_id, _ in keys}) == len(keys) == 200
    for key_id, key in keys:
        assert re.fullmatch(rf"pvx_{key_id}_[0-9A-Za-z]{{43}}", key)
        assert key_id_of(key) == key_id


@pytest.mark.parametrize(
    "text",
    [
        "",
        "pvx",
        f"sk_{ID}_{SECRET}",
        f"pvx_{ID}_{SECRET}\n",
        f" pvx_{ID}_{SECRET}",
        f"pvx_{ID[1:]}_{SECRET}",
        f"pvx_{ID}_{SECRET}x",
        f"pvx_{ID}_{SECRET[1:]}é",
        f"pvx_{ID}_{SECRET[1:]}٣",
        f"pvx_{ID}'_{SECRET}",
        "x" * 100_000,
    ],
)
def test_anything_else_is_no_key(text: str) -> None:
    assert key_id_of(text) is None


def test_a_mac_is_of_the_whole_key_and_of_the_pepper() -> None:
    key = f"pvx_{ID}_{SECRET}"
    mac = mac_of(key, pepper=PEPPER)
    assert same_mac(mac, mac_of(key, pepper=PEPPER))
    assert not same_mac(mac, mac_of(key.replace("0Az_", "0AZ_"), pepper=PEPPER))
    assert not same_mac(mac, mac_of(key, pepper=bytes(31) + b"\1"))
