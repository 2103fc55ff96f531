"""Short histories of what is rare and has to be right: each by what happens in it."""

from collections.abc import Mapping

from tests.ledger_samples import TENANT, ask, record
from tests.money.histories import Batch, History, Operation, Pause, Renewal, Sweep
from tests.money.ledger_model import Limit

_ASKED = Batch(asks=(ask(),))  # holds 500, and is guessed to cost 200
_DONE = Batch(records=(record(),))  # cost 300
_NEVER_CALLED = Batch(records=(record(status="cancelled", cost_pico=0),))
_LAPSED = (Pause(31.0), Sweep())


def _history(*operations: Operation, limit: int = 600) -> History:
    return History(TENANT, (Limit("key", "key_1", limit),), operations)


def _guessed(pico: int, counted: int | None = None) -> Renewal:
    return Renewal((record(status="expired", estimated=True, cost_pico=pico, counted_pico=counted),))


def _cost(pico: int) -> Batch:
    return Batch(records=(record(cost_pico=pico),))


CASES: Mapping[str, History] = {
    "an outcome told before its reservation arrives": _history(_NEVER_CALLED, _ASKED),
    "an outcome told in the batch of its reservation": _history(
        Batch(records=_NEVER_CALLED.records, asks=_ASKED.asks)
    ),
    "a charge told before its reservation arrives": _history(_DONE, _ASKED),
    "a charge that follows a release": _history(_ASKED, _NEVER_CALLED, _DONE, _DONE),
    "a release that follows a charge": _history(_ASKED, _DONE, _NEVER_CALLED),
    "an outcome that is as guessed": _history(_ASKED, *_LAPSED, Batch(records=(record(cost_pico=200),))),
    "a dearer outcome after a guess": _history(_ASKED, *_LAPSED, _DONE, _DONE),
    "a cheaper outcome after a guess": _history(_ASKED, _guessed(400), *_LAPSED, _DONE, _DONE),
    "a call that was never made, after a guess": _history(_ASKED, *_LAPSED, _NEVER_CALLED),
    "a cheaper outcome after a guess beyond what was held": _history(_ASKED, _guessed(800), *_LAPSED, _DONE),
    "no cost after a guess beyond what was held": _history(_ASKED, _guessed(800), *_LAPSED, _NEVER_CALLED),
    "a discount learned of after a guess": _history(
        _ASKED, _guessed(300), *_LAPSED, Batch(records=(record(cost_pico=270, discount_pico=30),))
    ),
    "a guess that counts more than it costs": _history(_ASKED, _guessed(200, 450), *_LAPSED),
    "a guess that counts more than was held": _history(_ASKED, _guessed(200, 900), *_LAPSED, _cost(300)),
    "an outcome between what a guess cost and counted": _history(
        _ASKED, _guessed(200, 450), *_LAPSED, _cost(300), _cost(300)
    ),
    "an outcome that is what a guess cost, and not what it counted": _history(
        _ASKED, _guessed(200, 450), *_LAPSED, _cost(200), _cost(200)
    ),
    "an outcome that is what a guess counted": _history(_ASKED, _guessed(200, 450), *_LAPSED, _cost(450)),
    "an outcome below what a guess cost": _history(_ASKED, _guessed(200, 450), *_LAPSED, _cost(100)),
    "an outcome beyond what a guess counted": _history(_ASKED, _guessed(200, 450), *_LAPSED, _cost(700)),
    "a call that was never made, after a guess that counts more": _history(
        _ASKED, _guessed(200, 450), *_LAPSED, _NEVER_CALLED
    ),
    "an end in doubt counts more than it costs, for good": _history(
        _ASKED, Batch(records=(record(status="failed", cost_pico=200, counted_pico=450),)), _DONE
    ),
    "a charge beyond what was held": _history(_ASKED, Batch(records=(record(cost_pico=900),)), _DONE),
    "a guess told twice": _history(_ASKED, *_LAPSED, *_LAPSED, _ASKED),
    "a reservation asked for again while it is open and when it is not": _history(
        _ASKED, _ASKED, _DONE, _ASKED
    ),
    "a refused reservation asked for again": _history(
        Batch(asks=(ask("other"),)), _ASKED, Batch(records=(record("other"),)), _ASKED
    ),
}
