"""The ledger: `post` moves money, `preview` asks what would happen; the module `reading` explains what stands."""

from payments.ledger.model import Capture, Code, Leg, Operation, Outcome, Place, Refusal, Release
from payments.ledger.posting import post, preview
from payments.ledger.store import Beside, PostingRaced

__all__ = [
    "Beside",
    "Capture",
    "Code",
    "Leg",
    "Operation",
    "Outcome",
    "Place",
    "PostingRaced",
    "Refusal",
    "Release",
    "post",
    "preview",
]
