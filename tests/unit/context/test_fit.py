"""Whether a conversation fits is known before anybody is asked."""

from models.catalog import load_catalog
from models.context import Family, preflight


def test_every_candidate_is_told_whether_it_fits() -> None:
    models = [model for model in load_catalog().models.values() if model.kind == "chat"]
    tokens: dict[Family, int] = {"gpt": 150_000, "claude": 190_000, "gemini": 160_000, "other": 165_000}
    fits = preflight(tokens, models, max_output_tokens=4_000, other_tokens=1_000)
    assert [fit.model_id for fit in fits] == [model.id for model in models]
    for fit, model in zip(fits, models, strict=True):
        assert fit.room_tokens <= model.max_input
        assert fit.room_tokens <= model.window - min(4_000, model.max_output)
        assert fit.needed_tokens > 166_000
        assert fit.fits == (fit.needed_tokens <= fit.room_tokens)
        assert fit.budget_tokens <= 0.7 * fit.room_tokens
    assert any(fit.fits for fit in fits)


def test_an_estimate_that_falls_short_by_all_it_may_still_fits() -> None:
    model = next(model for model in load_catalog().models.values() if model.host == "anthropic")
    room = min(model.max_input, model.window - 1_000)
    just = int(room / 1.1)
    (fit,) = preflight({"claude": just}, [model], max_output_tokens=1_000)
    assert fit.fits
    (fit,) = preflight({"claude": just + 10}, [model], max_output_tokens=1_000)
    assert not fit.fits
