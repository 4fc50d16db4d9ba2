"""The gate: consent, objection and restriction, asked of rows each time, in the caller's own transaction."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Session

from compliance.catalog import purposes
from compliance.privacy import consent
from compliance.privacy.models import objection, restriction

COMPELLING = "compelling_grounds"
_IS_RESTRICTED = restriction.c.lifted_at.is_(None)
_STOPS = sa.or_(objection.c.decision.is_(None), objection.c.decision != COMPELLING)


class Gate:
    """Answers whether a person's data may be used for a purpose; raises `KeyError` for one not in the catalogue."""

    def allowed(self, session: Session, subject: str, purpose: str) -> bool:
        known = purposes.shipped()[purpose]
        if known.needs_consent and not consent.is_given(session, subject, known):
            return False
        if not known.when_restricted and is_restricted(session, subject):
            return False
        query = sa.select(objection.c.id).where(objection.c.subject == subject, objection.c.purpose == purpose, _STOPS)
        return not known.may_be_objected_to or session.execute(query.limit(1)).first() is None

    def refused(self, session: Session, purpose: str) -> frozenset[str]:
        known = purposes.shipped()[purpose]
        assert not known.needs_consent, "whoever has not consented is refused; ask who has"
        found: set[str] = set()
        if not known.when_restricted:
            found.update(session.execute(sa.select(restriction.c.subject).where(_IS_RESTRICTED)).scalars())
        if known.may_be_objected_to:
            query = sa.select(objection.c.subject).where(objection.c.purpose == purpose, _STOPS)
            found.update(session.execute(query).scalars())
        return frozenset(found)


def is_restricted(session: Session, subject: str) -> bool:
    """Tell whether the use of a person's data is restricted."""
    query = sa.select(restriction.c.id).where(restriction.c.subject == subject, _IS_RESTRICTED)
    return session.execute(query.limit(1)).first() is not None
