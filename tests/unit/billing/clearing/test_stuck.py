"""The rules of stuck payments, as data."""

from datetime import timedelta

import pytest

from billing.clearing.stuck import RULES, Rule
from providers.registry import PLUGINS
from tests.support.factories import NOW


def test_each_rule_has_its_own_name():
    assert len({rule.name for rule in RULES}) == len(RULES)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_person_is_called_only_for_what_is_stuck(rule: Rule):
    own = [plugin.capabilities.stuck_after for plugin in PLUGINS.values()]
    assert all(rule.person_after >= graces.get(rule.name, rule.grace) for graces in own)
    assert rule.until is None or rule.grace < rule.until


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_person_is_called_from_the_age_that_the_rule_names(rule: Rule):
    since = NOW - rule.person_after
    assert rule.needs_person(since, NOW)
    assert not rule.needs_person(since + timedelta(microseconds=1), NOW)
