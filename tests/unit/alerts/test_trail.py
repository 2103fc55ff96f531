"""How far the journal has been read: what commits late is read, and nothing is read for ever."""

from models.alerts.scan import Trail


class Clock:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_the_recent_part_is_read_again_until_nothing_can_turn_up_in_it() -> None:
    clock = Clock()
    trail = Trail(8.0, clock)
    steps = [
        # at, the last one read; then: where the next run begins, and what is settled
        (0.0, 10, None, 0),
        (2.0, 30, None, 0),
        (7.9, 50, None, 0),
        (8.0, 60, 10, 10),
        (10.0, 60, 30, 30),
        (20.0, None, 60, 60),
        (30.0, None, 60, 60),
    ]
    for clock.seconds, read, position, settled in steps:
        trail.reached(read)
        assert (trail.position, trail.settled) == (position, settled)


def test_who_is_behind_goes_on_at_once_and_never_back() -> None:
    clock = Clock()
    trail = Trail(8.0, clock)
    trail.reached(100, behind=True)
    assert (trail.position, trail.settled) == (100, 0)
    clock.seconds = 2.0
    trail.reached(200, behind=True)
    clock.seconds = 8.0
    trail.reached(None)
    assert (trail.position, trail.settled) == (200, 100)
