"""Prices against an independent reckoning: `python -m tests.money.prices` counts what disagrees."""
