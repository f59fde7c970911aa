"""What Prometheus reads: traffic, latency, verdicts and scores. Every label has few values, whatever clients send."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from anomdet.inference.result import Result

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_SCORES = tuple(at / 20 for at in range(1, 21))
_IMAGES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Meters:
    """Counts of one service; several can live in one process."""

    def __init__(self) -> None:
        self._registry = own = CollectorRegistry()
        by_model = ["model"]
        self.requests = Counter("anomdet_requests", "Answered requests.", ["route", "status"], registry=own)
        self.seconds = Histogram(
            "anomdet_request_seconds", "From its head to its answer.", ["route"], buckets=_SECONDS, registry=own
        )
        self.refused = Counter("anomdet_refused", "Requests without room or time.", ["reason"], registry=own)
        self.held = Gauge("anomdet_held_requests", "Requests that are read, waiting or computed.", registry=own)
        self.held_bytes = Gauge("anomdet_held_bytes", "Of their bodies.", registry=own)
        self.verdicts = Counter("anomdet_verdicts", "Judged images.", ["model", "verdict"], registry=own)
        self.score = Histogram("anomdet_part_score", "Of judged images.", by_model, buckets=_SCORES, registry=own)
        self.stage = Histogram(
            "anomdet_stage_seconds", "Of an image.", ["model", "stage"], buckets=_SECONDS, registry=own
        )
        self.batch_images = Histogram("anomdet_batch_images", "Of a batch.", by_model, buckets=_IMAGES, registry=own)
        self.reloads = Counter("anomdet_reloads", "Models opened again.", ["model", "outcome"], registry=own)

    def judged(self, model: str, result: Result) -> None:
        """One more image."""
        self.verdicts.labels(model, result.verdict).inc()
        self.score.labels(model).observe(result.part_score)
        for stage, seconds in result.times.items():
            self.stage.labels(model, stage).observe(seconds)

    def text(self) -> bytes:
        """Everything, in Prometheus' text format."""
        return generate_latest(self._registry)
