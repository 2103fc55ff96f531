"""Counts of tokens, against what real tokenizers gave for the same texts."""

import pytest

from models.catalog import load_catalog
from models.context import Family, counter, family_of
from models.context.tokens import ERROR, default_counter, estimate, exact_gpt, four_characters

ENGLISH = (
    "Could you move the dentist appointment to Thursday morning? I prefer anything before ten, and please "
    "send the new confirmation to both of us. If there is no slot left, the week after is fine as well."
)
CODE = (
    'def mean(values: list[float]) -> float:\n    """The arithmetic mean."""\n    if not values:\n'
    '        raise ValueError("no values")\n    return sum(values) / len(values)\n'
)
JSON = (
    '{"id": "ord_48213", "total": 129.9, "currency": "EUR", "items": [{"sku": "A-100", "qty": 2}, '
    '{"sku": "B-205", "qty": 1}], "paid": true}'
)
LOG = (
    "2026-03-04T10:15:32Z ERROR worker-7 job 48213 failed after 3 attempts: connection to db-2.internal:5432 "
    "refused\n2026-03-04T10:15:33Z INFO worker-7 retrying job 48213 in 30 s\n"
)
IDS = "9f86d081-884c-4d65-9a2f-eaa0c55ad015 e3b0c44298fc1c149afbf4c8996fb924 aGVsbG8gd29ybGQsIGhvdyBhcmU="
CHINESE = (
    "昨天晚上我们订了两张去成都的火车票，但是火车晚点了将近一个小时。请把发票发给我，并确认收货地址。我妹妹在一家"
    "小图书馆工作，她非常喜欢旧书。我们必须在下周一之前修改密码，否则账户会被关闭。"
)
RUSSIAN = (
    "Вчера вечером мы заказали два билета до Казани, но поезд задержался почти на час. Пожалуйста, пришлите "
    "мне счёт и подтвердите адрес доставки. Моя сестра работает в небольшой библиотеке и очень любит старые "
    "книги. Нам нужно изменить пароль до понедельника, иначе доступ будет закрыт."
)
# By o200k_base; by the tokenizer that Anthropic published; by DeepSeek's.
MEASURED = [
    (ENGLISH, 42, 43, 42),
    (CODE, 39, 42, 38),
    (JSON, 59, 56, 63),
    (LOG, 66, 64, 66),
    (IDS, 60, 61, 61),
    (CHINESE, 66, 94, 55),
    (RUSSIAN, 68, 144, 90),
]


@pytest.mark.parametrize(("text", "gpt", "claude", "other"), MEASURED)
def test_an_estimate_falls_short_by_no_more_than_it_says(
    text: str, gpt: int, claude: int, other: int
) -> None:
    families: dict[Family, int] = {"gpt": gpt, "claude": claude, "other": other}
    for family, measured in families.items():
        assert measured * (1 - ERROR) <= estimate(text, family=family) <= measured * 1.5
    assert estimate(text, family="gemini") >= gpt * (1 - ERROR)


def test_short_texts_are_never_free() -> None:
    for family in ("gpt", "claude", "gemini", "other"):
        count = counter(family)
        assert count("") == 0
        assert all(count(text) >= 1 for text in ("a", "7", "é", "水", "🎉", "."))
        assert count("\ud800") >= 1


def test_a_table_that_is_not_at_hand_is_not_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TIKTOKEN_CACHE_DIR", raising=False)
    exact_gpt.cache_clear()
    assert exact_gpt() is None
    assert default_counter() is four_characters
    assert four_characters("12345") == 2


def test_every_host_of_the_catalogue_has_a_family() -> None:
    families = {model.host: family_of(model.host) for model in load_catalog().models.values()}
    assert families["openai"] == "gpt"
    assert families["anthropic"] == "claude"
    assert families["google"] == "gemini"
    assert family_of("ollama") == "other"
