"""Probe over access reviews: every grant that lives was decided about within 183 days."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

from compliance.contracts.probes import Kind, Look, Probe, Reading, Violation
from compliance.reviews import campaigns
from compliance.reviews.campaigns import LAPSES, Sources


def probes(sources: Sources) -> tuple[Probe, ...]:
    """Return the probe of 7.2.4."""

    def decided(look: Look) -> Reading:
        found = campaigns.bases(look.session, look.at, sources)
        wrong = [
            Violation(component=source, object_id=grant.ref, says=f"{grant.what}, undecided since {basis:%Y-%m-%d}")
            for source, grant, basis in found
            if basis + LAPSES <= look.at
        ]
        return Reading(
            population=dict(Counter(source for source, _, _ in found)),
            violations=wrong,
            asked={"days": LAPSES.days},
        )

    def plant(look: Look) -> str:
        return sources[0].plant(look, look.at - LAPSES - timedelta(days=1))

    return (
        Probe(
            name="reviews.decided",
            kind=Kind.STATE,
            asks="Roles that people hold; wrong is one that nobody confirmed, or gave, within 183 days.",
            read=decided,
            plant=plant,
        ),
    )
