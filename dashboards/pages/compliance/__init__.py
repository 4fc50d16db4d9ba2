"""Pages of compliance officers, the data protection officer and auditors, in the order of the menu."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from dashboards.mount import Console
from dashboards.page import Page
from dashboards.pages.compliance import (
    audit,
    audit_requests,
    breach_acts,
    breaches,
    consent,
    controls,
    posture,
    processors,
    recipients,
    register,
    reports,
    request,
    request_acts,
    requests,
    retention,
    retention_acts,
    reviews,
    scans,
    tasks,
    tasks_acts,
    verifier,
)

PAGES: Final[Sequence[Page]] = (
    posture.PAGE,
    controls.PAGE,
    tasks.PAGE,
    scans.PAGE,
    reviews.PAGE,
    register.PAGE,
    requests.PAGE,
    request.PAGE,
    consent.PAGE,
    retention.PAGE,
    breaches.PAGE,
    processors.PAGE,
    audit.PAGE,
    verifier.PAGE,
    reports.PAGE,
    audit_requests.PAGE,
)
WIRES: Final[Sequence[Callable[[Console], None]]] = (
    controls.wire,
    tasks_acts.wire,
    scans.wire,
    reviews.wire,
    register.wire,
    consent.wire,
    requests.wire,
    request_acts.wire,
    recipients.wire,
    retention_acts.wire,
    breach_acts.wire,
    processors.wire,
    audit.wire,
    verifier.wire,
    reports.wire,
    audit_requests.wire,
)
