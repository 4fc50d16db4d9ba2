"""Checking what playbooks mean, before one of them runs: every refusal names the step and the reason."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Final, assert_never

from app.kernel.containment import BadParameter
from playbooks import notes, registry
from playbooks.engine import conditions
from playbooks.engine.conditions import ConditionRefused
from playbooks.engine.load import PlaybookRefused
from playbooks.form import END, GIVEN, Ask, Call, Decide, Do, Playbook, Step, Type, targets
from playbooks.registry import ActionType

ROLES: Final = frozenset(("analyst", "incident_commander"))
DEPTH_MAX: Final = 5
_TYPE_OF_PARAMETER: Final = {"account": Type.ACCOUNT, "addresses": Type.ADDRESSES, "hours": Type.INTEGER}


def library(playbooks: Mapping[str, Playbook], contradictions: Collection[str] = ()) -> None:
    """Check every playbook, and that no chain of calls comes back to where it began; raises `PlaybookRefused`."""
    for one in playbooks.values():
        playbook(one, playbooks.keys(), contradictions)
    calls = {
        slug: {step.playbook for step in one.steps.values() if isinstance(step, Call)}
        for slug, one in playbooks.items()
    }
    try:
        order = list(TopologicalSorter(calls).static_order())
    except CycleError as error:
        raise PlaybookRefused(error.args[1][0], None, f"calls go round: {' → '.join(error.args[1])}") from error
    depth: dict[str, int] = {}
    for slug in order:
        depth[slug] = 1 + max((depth[called] for called in calls[slug]), default=0)
        if depth[slug] > DEPTH_MAX:
            raise PlaybookRefused(slug, None, f"calls go deeper than {DEPTH_MAX}")


def playbook(found: Playbook, known: Collection[str], contradictions: Collection[str] = ()) -> None:
    """Check one playbook; `known` are the playbooks it may call, `contradictions` what may contradict an answer."""
    if found.owner not in ROLES:
        raise PlaybookRefused(found.slug, None, f"the owner {found.owner} is no role")
    _check_names(found)
    order = _order(found)
    types = _types(found)
    for name, step in found.steps.items():
        try:
            _check_step(step, types, known)
            if isinstance(step, Ask):
                _check_contradicted(step, contradictions)
        except (ConditionRefused, BadParameter, registry.UnknownAction) as error:
            raise PlaybookRefused(found.slug, name, str(error)) from error
        except ValueError as error:
            raise PlaybookRefused(found.slug, name, str(error)) from error
    _check_answered(found, order)
    _check_other(found)


def unnamed(playbooks: Mapping[str, Playbook], named: Collection[str]) -> set[str]:
    """Return what is named and does not stand, and what stands and nobody names (RSP-30)."""
    called = {step.playbook for one in playbooks.values() for step in one.steps.values() if isinstance(step, Call)}
    return {*named, *called} ^ set(playbooks)


def _check_names(found: Playbook) -> None:
    for name, step in found.steps.items():
        if name == END:
            raise PlaybookRefused(found.slug, name, f"{END} is the built-in end")
        for branch, target in targets(step).items():
            if target != END and target not in found.steps:
                raise PlaybookRefused(found.slug, name, f"{branch} goes to {target}, which does not exist")


def _order(found: Playbook) -> list[str]:
    """Return the steps from first to last; a loop or a step that nothing reaches is refused."""
    after = {name: {target for target in targets(step).values() if target != END} for name, step in found.steps.items()}
    reached, waiting = set(), [found.entry]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += after[name]
    for name in found.steps:
        if name not in reached:
            raise PlaybookRefused(found.slug, name, "nothing leads to this step")
    try:
        return list(reversed(list(TopologicalSorter(after).static_order())))
    except CycleError as error:
        loop = list(reversed(error.args[1]))
        raise PlaybookRefused(found.slug, loop[0], f"a loop without end: {' → '.join(loop)}") from error


def _types(found: Playbook) -> dict[str, Type]:
    types = dict(GIVEN)
    for name, step in found.steps.items():
        if not isinstance(step, Ask):
            continue
        for field, one in step.fields.items():
            if field in GIVEN:
                raise PlaybookRefused(found.slug, name, f"${field} is given and never changes")
            if types.setdefault(field, one.type) is not one.type:
                raise PlaybookRefused(found.slug, name, f"${field} has two types")
    return types


def _check_step(step: Step, types: Mapping[str, Type], known: Collection[str]) -> None:
    match step:
        case Do():
            kind = registry.named(step.action)
            if not kind.is_automatic:
                raise ValueError(f"{step.action} is never done by itself")
            if step.failed is None:
                raise ValueError("an automatic step says where it goes when it fails")
            _check_given(kind, step.params, types)
        case Ask():
            if step.role not in ROLES:
                raise ValueError(f"{step.role} is no role")
            _check_asked(step, types)
            if unknown := set(step.facts) - notes.FACTS:
                raise ValueError(f"{', '.join(sorted(unknown))} is no fact of an incident")
            if unasked := [fact for fact in step.facts if step.fields.get(fact) is None]:
                raise ValueError(f"the form does not ask for {', '.join(unasked)}")
        case Decide():
            conditions.check(conditions.parse(step.condition), types)
        case Call():
            if step.playbook not in known:
                raise ValueError(f"the playbook {step.playbook} does not exist")
            _check_params((), tuple(GIVEN), step.given, types)


def _check_asked(step: Ask, types: Mapping[str, Type]) -> None:
    """Check the action that finishes a task: it is one of people, and the playbook says to whom it is done."""
    if step.does is None:
        if step.is_any or (step.params and not step.contradicted_by):
            raise ValueError("with and any belong to the action that finishes a task")
        if step.params:
            _check_params(("account",), ("account",), step.params, types)
        return
    kind = registry.named(step.does)
    if kind.is_own:
        raise ValueError(f"{step.does} is no action of a person")
    if step.is_any and step.params:
        raise ValueError(f"{step.does} is done to what with says or to any, not both")
    if not step.is_any:
        _check_given(kind, step.params, types)


def _check_contradicted(step: Ask, contradictions: Collection[str]) -> None:
    """Check that what may contradict an answer is known, and the answer one of the form."""
    if step.contradicted_by and "account" not in step.params:
        raise ValueError("contradicted_by needs the account in with")
    choices = {choice for one in step.fields.values() for choice in one.choices}
    for answer, probe in step.contradicted_by.items():
        if answer not in choices:
            raise ValueError(f"the form has no answer {answer}")
        if probe not in contradictions:
            raise ValueError(f"there is no probe {probe}")


def _check_given(kind: ActionType, params: Mapping[str, str], types: Mapping[str, Type]) -> None:
    _check_params(kind.needed, (*kind.needed, *kind.optional), params, types)
    plain = {name: value for name, value in params.items() if not value.startswith("$")}
    registry.checked(kind, {**dict.fromkeys(kind.needed, "given"), **plain})


def _check_params(
    needed: Collection[str], allowed: Collection[str], params: Mapping[str, str], types: Mapping[str, Type]
) -> None:
    for name in needed:
        if name not in params:
            raise ValueError(f"the parameter {name} is missing")
    for name, value in params.items():
        if name not in allowed:
            raise ValueError(f"there is no parameter {name}")
        if not value.startswith("$"):
            continue
        declared, wanted = types.get(value[1:]), _TYPE_OF_PARAMETER.get(name, GIVEN.get(name))
        if declared is None:
            raise ValueError(f"the variable {value} is not declared")
        if wanted is not None and declared is not wanted:
            raise ValueError(f"{name} is {wanted.value} and {value} is {declared.value}")


def _check_answered(found: Playbook, order: list[str]) -> None:
    """Refuse a variable that some way reaches before its task has asked for it."""
    before: dict[str, set[str]] = {found.entry: set(GIVEN)}
    for name in order:
        step, answered = found.steps[name], before[name]
        missing = {variable for variable in _used(step) if variable not in answered}
        if missing and not (isinstance(step, Decide) and step.failed):
            raise PlaybookRefused(found.slug, name, f"${min(missing)} may be without a value here")
        own = set(step.fields) if isinstance(step, Ask) else set()
        for target in targets(step).values():
            if target != END:
                before[target] = before.get(target, answered | own) & (answered | own)


def _check_other(found: Playbook) -> None:
    for name, step in found.steps.items():
        other = step.other_than if isinstance(step, Ask) else None
        if other is not None and (other == name or not isinstance(found.steps.get(other), Ask)):
            raise PlaybookRefused(found.slug, name, f"{other} is no other task")


def _used(step: Step) -> set[str]:
    match step:
        case Do() | Ask():
            return _variables(step.params)
        case Call():
            return _variables(step.given)
        case Decide():
            return conditions.variables(conditions.parse(step.condition))
        case _:
            assert_never(step)


def _variables(params: Mapping[str, str]) -> set[str]:
    return {value[1:] for value in params.values() if value.startswith("$")}
