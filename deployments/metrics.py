"""What is measured, in Ray's metrics: each replica's are in its node's Prometheus endpoint."""

from ray.util.metrics import Gauge

from models.conversations import Lag


class EmbeddingLag:
    """How far the vectors of messages are behind the messages; the same figures from whatever replica."""

    def __init__(self) -> None:
        self._waiting = Gauge("polyvox_embedding_waiting", "Messages that wait to be embedded.")
        self._oldest_s = Gauge("polyvox_embedding_lag_seconds", "How long the oldest of them has waited.")
        self._behind = Gauge(
            "polyvox_embedding_behind", "Conversations with messages that found no room in the queue."
        )

    def show(self, lag: Lag) -> None:
        self._waiting.set(lag.waiting)
        self._oldest_s.set(lag.oldest_s)
        self._behind.set(lag.behind)
