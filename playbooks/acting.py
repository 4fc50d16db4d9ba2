"""What every act on an action needs: its row under the lock of its incident, who does it, and telling it afterwards."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy.orm import Session

from app.kernel.access import SOC_ACTION_RUN, SOC_ACTION_UNDO, Actor, ActorKind, service
from app.kernel.containment import Containment
from app.kernel.context import Context
from app.kernel.errors import SamePerson
from ingest.events.incident import ActionEvent, ActionRefused
from ingest.log import outbox
from playbooks import action_rows, cases, timeline
from playbooks.action_rows import Action
from playbooks.cases import Incident
from playbooks.parts import Parts
from playbooks.registry import ActionType, UnknownAction
from playbooks.timeline import Code

# Who acts where no person does: the executor, and what ends by itself.
SERVICE: Final = service("playbooks", SOC_ACTION_RUN, SOC_ACTION_UNDO)


class OwnAction(SamePerson):
    """Another person than the one who did or asked for this decides."""

    def __init__(self, what: Action, act: str) -> None:
        super().__init__(f"You did or asked for “{what.kind.title}”; another person must {act} it.")
        self._action, self._act = what, act

    def trace(self, session: Session, ctx: Context) -> None:
        """Keep who tried, in the incident and in the log."""
        case = cases.locked(session, self._action.incident_id)
        why = f"Another person must {self._act} it."
        tell(session, case, self._action, ActionRefused, Code.ACTION_REFUSED, ctx, reason="same_person", why=why)


def held(session: Session, action_id: str) -> tuple[Action, Incident]:
    """Return an action and its incident, under the incident's lock."""
    case = cases.locked(session, action_rows.by_ref(session, action_id).incident_id)
    # Read again: somebody may have changed it while we waited for the lock.
    return action_rows.by_ref(session, action_id), case


def containment(kind: ActionType, parts: Parts) -> Containment:
    """Return who does an action; raises `UnknownAction` where nobody here does."""
    found = parts.containments.get(kind.name)
    if found is None:
        raise UnknownAction(f"{kind.name} does not stand in this installation.", param="name")
    return found


def is_another(found: Action, actor: Actor) -> bool:
    """Tell whether this is a person who neither asked for an action nor approved it."""
    is_person = actor.kind is not ActorKind.SERVICE
    return is_person and actor.id not in (found.requested_by, found.approved_by)


def tell(
    session: Session,
    case: Incident,
    found: Action,
    kind: type[ActionEvent],
    code: Code,
    ctx: Context,
    *,
    reason: str | None = None,
    reverts: str | None = None,
    why: str | None = None,
    ref: str | None = None,
) -> None:
    """Record what became of an action, in the log and in the timeline of its incident."""
    told = cases.told(session, case)
    if found.kind.kinds.get(found.kind.target or "") == "account":
        # The person it touches is the first whom the event is about.
        told["about"] = tuple(dict.fromkeys((found.target, *told["about"])))
    event = kind(**told, step=found.step, action=found.name, target=found.target, reverts=reverts, reason=reason)
    event_id = outbox.record(session, event, ctx)
    facts = words(found) | ({"why": why} if why is not None else {})
    timeline.add(session, case.id, code, ctx, ref=ref or found.id, event_id=event_id, **facts)


def words(found: Action) -> dict[str, Any]:
    """Return an action as the timeline keeps it."""
    return {"action": found.name, "target": found.target, "action_id": found.id}
