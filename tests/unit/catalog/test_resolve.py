"""What a caller may write as a model's name."""

import pytest

from models.catalog import Auto, Catalog, Mode, Model, load_catalog
from models.errors import UnknownModel


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_catalog()


@pytest.mark.parametrize(
    ("name", "model_id"),
    [
        ("gpt-6.1-sol", "gpt-6.1-sol"),
        ("openai/gpt-6.1-sol", "gpt-6.1-sol"),
        ("openai:gpt-6.1-sol", "gpt-6.1-sol"),
        ("gpt", "gpt-6.1-sol"),
        ("claude", "claude-sonnet-5-5"),
        ("anthropic/claude", "claude-sonnet-5-5"),
        ("gemini", "gemini-3.8-flash"),
        ("google:gemini-3.8-flash", "gemini-3.8-flash"),
        ("gemini/gemini-3.8-flash", "gemini-3.8-flash"),
        ("claude-haiku-4-5-20251001", "claude-haiku-4-5"),
        ("anthropic/claude-haiku-4-5-20251001", "claude-haiku-4-5"),
        ("GPT-6.1-Sol", "gpt-6.1-sol"),
        (" gpt-6.1-sol ", "gpt-6.1-sol"),
    ],
)
def test_a_name_means_one_model(catalog: Catalog, name: str, model_id: str) -> None:
    model = catalog.resolve(name)
    assert isinstance(model, Model)
    assert model.id == model_id


@pytest.mark.parametrize(
    ("name", "model_id"),
    [
        ("text-embedding-3-small", "text-embedding-3-small"),
        ("openai/text-embedding-3-large", "text-embedding-3-large"),
        ("gemini:gemini-embedding-001", "gemini-embedding-001"),
        (" Gemini-Embedding-2 ", "gemini-embedding-2"),
    ],
)
def test_embedding_models_have_names_of_their_own(catalog: Catalog, name: str, model_id: str) -> None:
    assert catalog.resolve_embedding(name).id == model_id
    with pytest.raises(UnknownModel, match="is an embedding model"):
        catalog.resolve(name)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("auto", "is a chat model"),
        ("GPT", "is a chat model"),
        ("text-embedding-3", "text-embedding-3-small"),
        ("gpt-6.1-soll", "There is no model"),
    ],
)
def test_chat_models_do_not_embed(catalog: Catalog, name: str, hint: str) -> None:
    with pytest.raises(UnknownModel, match=hint):
        catalog.resolve_embedding(name)


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("auto", "balanced"),
        ("auto:balanced", "balanced"),
        ("auto:cheap", "cheap"),
        ("auto:quality", "quality"),
        ("auto:fast", "fast"),
    ],
)
def test_auto_leaves_the_choice_to_the_router(catalog: Catalog, name: str, mode: Mode) -> None:
    assert catalog.resolve(name) == Auto(mode)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("claude-sonet-5-5", "claude-sonnet-5-5"),
        ("gpt6.1-sol", "gpt-6.1-sol"),
        ("autom", "auto"),
        ("anthropic/gpt-6.1-sol", "gpt-6.1-sol"),
        ("ollama/gpt-oss-20b", "There is no model"),
        ("", "There is no model ''"),
        ("auto:", "auto"),
        ("x" * 1_000_000, "There is no model"),
        ("nul\0 \ud800", "There is no model"),
    ],
)
def test_an_unknown_name_is_refused_with_those_that_come_close(
    catalog: Catalog, name: str, hint: str
) -> None:
    with pytest.raises(UnknownModel, match=hint) as raised:
        catalog.resolve(name)
    assert raised.value.param == "model"
    assert len(raised.value.message) < 400
