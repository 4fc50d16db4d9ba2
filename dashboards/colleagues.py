"""What an object is that may be a member of staff: the name of a colleague, the short id of everything else."""

from __future__ import annotations

from typing import Final

from dash import html

from dashboards.kit import Part, short
from dashboards.page import View

_ACCOUNT: Final = "acc_"


def named(view: View, object_id: str) -> Part:
    """Return a colleague by name, the id in its title; an auditor reads ids, as in the trail."""
    is_auditor = view.sources.viewer().period is not None
    is_account = object_id.startswith(_ACCOUNT)
    name = view.sources.name_of_colleague(object_id) if is_account and not is_auditor else None
    return html.Span(name, title=object_id) if name else short(object_id)
