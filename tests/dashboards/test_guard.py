"""How a refusal is said where the act stands."""

from __future__ import annotations

import json

from plotly.utils import PlotlyJSONEncoder

from app.kernel.errors import Changed, Invalid, OnePayError, StepUpRequired
from dashboards import guard


def said(problem: OnePayError) -> str:
    return json.dumps(guard.explained(problem), cls=PlotlyJSONEncoder)


def test_a_missing_proof_leads_to_where_it_is_given() -> None:
    assert '"href": "/staff/step-up"' in said(StepUpRequired())
    assert '"data-do": "prove"' in said(StepUpRequired())


def test_a_conflict_offers_to_look_again() -> None:
    assert '"data-do": "draw"' in said(Changed("It changed."))


def test_a_mistake_is_said_with_its_code_alone() -> None:
    text = said(Invalid("Choose a verdict."))
    assert "Choose a verdict." in text
    assert '["Code ", {"props": {"children": "invalid"' in text
    assert "(invalid)" not in text, "it stands below the sentence, and not in it"
    assert "data-do" not in text
