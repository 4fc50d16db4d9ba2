"""The rules that stand: shipped files, read at start, and the versions of them that live in the database."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel.context import Context
from detectors.models import cursor, version
from detectors.sigma import parse
from detectors.sigma.ast import Rule
from ingest.events.detection import RulePublished
from ingest.log import outbox

RULES: Final = Path(__file__).with_name("rules")
LIVE: Final = "live"
PUBLISHED: Final = "published"


@cache
def shipped(folder: Path = RULES) -> Sequence[Rule]:
    """Return the rules of a folder by name, read once a process; a broken one stops the start with its reason."""
    return tuple(parse.rule(file.read_text("utf-8"), file.stem) for file in sorted(folder.glob("*.yml")))


def publish(session: Session, rules: Sequence[Rule], ctx: Context) -> dict[str, str]:
    """Make the shipped rules the live versions and return version ids by slug.

    A new version begins at the sequence where its predecessor ends, in this transaction: a rule's coverage over its
    versions has no hole (DET-14). A rule that was never here reads the log from its start.
    """
    live: dict[str, str] = {}
    for rule in rules:
        known = session.execute(
            sa.select(version).where(version.c.slug == rule.slug).order_by(version.c.number.desc()).limit(1)
        ).one_or_none()
        if known is not None and known.content_hash == rule.content_hash and known.state == PUBLISHED:
            live[rule.slug] = known.id
            continue
        live[rule.slug] = _begin(session, rule, known.id if known else None, (known.number if known else 0) + 1, ctx)
    return live


def _begin(session: Session, rule: Rule, before: str | None, number: int, ctx: Context) -> str:
    version_id, sequence = ctx.new_id("rul"), 0
    if before is not None:
        where = (cursor.c.version_id == before) & (cursor.c.mode == LIVE)
        sequence = session.execute(sa.select(cursor.c.sequence).where(where)).scalar_one_or_none() or 0
        session.execute(sa.delete(cursor).where(where))
        session.execute(sa.update(version).where(version.c.id == before).values(state="superseded"))
    session.execute(
        sa.insert(version).values(
            id=version_id,
            slug=rule.slug,
            number=number,
            title=rule.title,
            techniques=list(rule.techniques),
            content_hash=rule.content_hash,
            source=rule.source,
            origin="release",
            state=PUBLISHED,
            from_at=ctx.at,
        )
    )
    session.execute(
        sa.insert(cursor).values(
            version_id=version_id, mode=LIVE, sequence=sequence, state="running", since=ctx.at, tries=0
        )
    )
    outbox.record(session, RulePublished(rule=rule.slug, rule_version=rule.content_hash), ctx)
    return version_id
