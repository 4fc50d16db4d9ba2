"""Every metric of the product, with help, unit and a closed set of labels."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class Metrics:
    """The metrics of one system; a registry of its own, so that two systems live in one process."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        self.transfer_total = Counter("onepay_transfer_total", "Transfer orders.", ["outcome"], registry=registry)
        self.sign_in_total = Counter("onepay_sign_in_total", "Sign-in attempts.", ["outcome"], registry=registry)
        self.log_head = Gauge("onepay_log_head", "Highest sequence of the log.", registry=registry)
        self.log_unsequenced = Gauge("onepay_log_unsequenced", "Events without a sequence.", registry=registry)
        self.consumer_lag_events = Gauge(
            "onepay_consumer_lag_events", "Sequences a consumer is behind.", ["consumer"], registry=registry
        )
        self.store_parked = Gauge("onepay_store_parked", "Documents the store refused.", registry=registry)
        self.job_seconds = Histogram("onepay_job_seconds", "Time a job took.", ["job"], registry=registry)
        self.job_failures_total = Counter("onepay_job_failures_total", "Jobs that raised.", ["job"], registry=registry)
        self.detector_lag_seconds = Gauge(
            "onepay_detector_lag_seconds", "How late a detector is.", ["detector"], registry=registry
        )
        self.incidents_open = Gauge("onepay_incidents_open", "Incidents not closed.", ["severity"], registry=registry)
