"""What a token costs at the three providers: the sandbox's own table, so that other prices show as drift.

Standard list prices of November 2026 in USD per million tokens. A line is: model, size of input that it holds
above, input, cache read, cache write of five minutes, of one hour, output.
"""

from decimal import Decimal

_TABLE = """
    gpt-6-astra                  0  10     1      12.5    12.5    50
    gpt-6-astra             272000  20     2      25      25      75
    gpt-6.1-sol                  0  2      0.1    2.5     2.5     10
    gpt-6.1-sol             272000  4      0.2    5       5       15
    gpt-6-sol                    0  2      0.2    2.5     2.5     10
    gpt-6-sol               272000  4      0.4    5       5       15
    gpt-6-luna                   0  0.1    0.01   0.125   0.125   0.5
    gpt-6-luna              272000  0.2    0.02   0.25    0.25    0.75
    gpt-5.6-sol                  0  4      0.4    5       5       20
    gpt-5.6-sol             272000  8      0.8    10      10      30
    gpt-5.6-terra                0  2      0.2    2.5     2.5     12
    gpt-5.6-terra           272000  4      0.4    5       5       18
    gpt-5.6-luna                 0  0.2    0.02   0.25    0.25    1.2
    gpt-5.6-luna            272000  0.4    0.04   0.5     0.5     1.8
    gpt-5.5                      0  5      0.5    5       5       30
    gpt-5.5                 272000  10     1      10      10      45
    gpt-5.4-mini                 0  0.75   0.075  0.75    0.75    4.5
    text-embedding-3-small       0  0.02   0.02   0.02    0.02    0
    text-embedding-3-large       0  0.13   0.13   0.13    0.13    0
    claude-fable-5-1             0  10     0.25   12.5    20      50
    claude-opus-5-5              0  4      0.2    5       8       20
    claude-opus-5                0  5      0.5    6.25    10      25
    claude-opus-4-8              0  5      0.5    6.25    10      25
    claude-sonnet-5-5            0  2      0.1    2.5     4       10
    claude-sonnet-5              0  2      0.2    2.5     4       10
    claude-sonnet-4-6            0  3      0.3    3.75    6       15
    claude-haiku-5-5             0  0.1    0.01   0.125   0.2     0.5
    claude-haiku-5-5        100000  0.5    0.05   0.625   1       2.5
    claude-haiku-4-5             0  1      0.1    1.25    2       5
    gemini-4-argon               0  2      0.1    2       2       10
    gemini-3.8-flash             0  0.75   0.075  0.75    0.75    3.75
    gemini-3.7-flash             0  0.75   0.075  0.75    0.75    3.75
    gemini-3.5-flash             0  1.5    0.15   1.5     1.5     9
    gemini-3.5-flash-lite        0  0.3    0.03   0.3     0.3     2.5
    gemini-3.1-pro-preview       0  2      0.2    2       2       12
    gemini-3.1-pro-preview  200000  4      0.4    4       4       18
    gemini-3.1-flash-lite        0  0.25   0.025  0.25    0.25    1.5
    gemini-2.5-pro               0  1.25   0.125  1.25    1.25    10
    gemini-2.5-pro          200000  2.5    0.25   2.5     2.5     15
    gemini-2.5-flash-lite        0  0.1    0.01   0.1     0.1     0.4
    gemini-embedding-2           0  0.2    0.2    0.2     0.2     0
    gemini-embedding-001         0  0.15   0.15   0.15    0.15    0
"""

Rates = tuple[int, ...]
"""Pico-USD per token: input, cache read, cache write of five minutes, of one hour, output."""


def _read(table: str) -> dict[str, list[tuple[int, Rates]]]:
    found: dict[str, list[tuple[int, Rates]]] = {}
    for line in table.split("\n"):
        if line.strip():
            model, above, *prices = line.split()
            rates = tuple(int(Decimal(price) * 10**6) for price in prices)
            found.setdefault(model, []).append((int(above), rates))
    return found


_RATES = _read(_TABLE)


def rates_of(model: str, *, total_input: int) -> Rates | None:
    """The rates of a whole call by its size; None for a model that is not in the table."""
    found = None
    for above, rates in _RATES.get(model, ()):
        if total_input > above or above == 0:
            found = rates
    return found
