"""The tier that served a call, as each dialect calls it: only the plain one has several names."""

_PLAIN = ("default", "standard", "standard_only")


def tier_told(tier: str, *, plain: str) -> str:
    """`plain` is the dialect's name for the tier that is neither dearer nor slower. Empty stays empty."""
    said = tier.lower()
    return plain if said in _PLAIN else said
