"""Service tiers: what clients of any dialect call them, in each provider's words.

Sources: openai 3.54 completion_create_params.py, anthropic 2.12 message_create_params.py, google-genai 3.4
types.ServiceTier. Anthropic's `auto` is its priority capacity where there is any.
"""

from collections.abc import Mapping

from models.providers.profiles import Profile, WireProvider

_UNASKED = ""
"""What is done without a wish."""
_WORDS: Mapping[WireProvider, Mapping[str, str]] = {
    "openai": {
        "auto": "auto",
        "default": "default",
        "standard": "default",
        "standard_only": "default",
        "flex": "flex",
        "scale": "scale",
        "priority": "priority",
        "fast": "fast",
    },
    "anthropic": {
        "auto": "auto",
        "priority": "auto",
        "default": "standard_only",
        "standard": "standard_only",
        "standard_only": "standard_only",
    },
    "google": {
        "auto": _UNASKED,
        "unspecified": _UNASKED,
        "default": "standard",
        "standard": "standard",
        "standard_only": "standard",
        "flex": "flex",
        "priority": "priority",
    },
}
_ONE_ALONE = dict.fromkeys(("auto", "default", "standard", "standard_only"), _UNASKED)
"""Of hosts that have one tier."""


def tier_word(tier: str | None, profile: Profile) -> str | None:
    """What the model is sent: empty where nothing has to be, None where it has no such tier."""
    if tier is None:
        return _UNASKED
    return (_WORDS[profile.provider] if profile.first_party else _ONE_ALONE).get(tier.lower())
