"""docs/cases.md names tests that exist."""

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[2]
TABLE = (TESTS.parent / "docs" / "cases.md").read_text()
NAMED = sorted(set(re.findall(r"`((?:unit|contract|integration|e2e)/[\w/]+\.py)(?:::(\w+))?`", TABLE)))


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_a_test_that_the_table_names_exists(file: str, name: str):
    assert re.search(rf"^(?:async )?def {name}\(" if name else "^", (TESTS / file).read_text(), re.MULTILINE)


def test_the_table_names_tests():
    assert len(NAMED) > 90
