"""What a legal hold keeps of the rows about a person: its case and reason are for nobody but those who placed it."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.orm import Session

from compliance.contracts.personal import PersonalDataSource, Target
from compliance.privacy.events import LOG
from compliance.privacy.parts import Privacy
from compliance.retention import held_events, keeping
from compliance.retention.holds import Hold
from compliance.retention.keeping import Keeping


def held(
    session: Session, source: PersonalDataSource, targets: Sequence[Target], keeps: Sequence[Keeping], parts: Privacy
) -> frozenset[str]:
    """Return the leaves that a hold keeps: rows, and events that only the key of their class opens."""
    if not keeps:
        return frozenset()
    kept, standing = keeping.leaves(session, source, targets, keeps), [one.hold for one in keeps]
    return kept | {target.leaf for target in targets if _is_kept_event(target, standing, parts)}


def _is_kept_event(target: Target, standing: Sequence[Hold], parts: Privacy) -> bool:
    is_of_log = target.key_class is not None and target.store == f"{LOG}.{target.id}"
    return is_of_log and held_events.keep_key(standing, parts.store, target.subject, target.id)
