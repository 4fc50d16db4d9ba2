"""A transfer that is ordered once, by a program or on a page: carried out under its key, answered, and counted."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy.orm import Session

from app import edge, once
from app.kernel.context import Context
from app.kernel.errors import Refused
from app.once import Answer, Given
from payments import transfers
from payments.idempotency import Call
from payments.transfers import Transfer, TransferOrder

SETTLED, REFUSED = 201, 402


def transfer(
    call: Call,
    order: TransferOrder,
    ctx: Context,
    *,
    settled: Callable[[Transfer], bytes],
    refused: Callable[[Refused], bytes],
) -> Given:
    """Send the money, or return what the key answered before; `settled` and `refused` write the bodies that are kept.

    An order counts once, however often its answer is given again. Raises what `transfers.execute` raises, but for
    refusals: those are answers.
    """
    parts = edge.system()

    def work(session: Session) -> Answer:
        done = transfers.execute(session, order, ctx, keys=parts.subject_keys)
        return Answer(status=SETTLED, body=settled(done), object_id=done.id)

    def refusal(error: Refused) -> Answer:
        return Answer(status=REFUSED, body=refused(error), object_id=error.object_id)

    given = once.only(call, work, refusal, ctx)
    if not given.is_replay:
        outcome = "settled" if given.status == SETTLED else "refused"
        parts.metrics.transfer_total.labels(outcome=outcome).inc()
    return given
