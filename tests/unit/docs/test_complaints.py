"""What the tables of complaints say is shown by a test is shown by one."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
#: A test, or a class of tests with or without one.
NAMED = re.compile(r"`((?:unit|integration|contract|e2e)/[\w/]+\.py)::(\w+)(?:::(\w+))?`")


@pytest.mark.parametrize("document", ["clearing.md", "subscriptions.md"])
def test_every_test_that_a_table_of_complaints_names_exists(document: str) -> None:
    named = NAMED.findall((ROOT / "docs" / document).read_text())
    assert len(named) > 20
    assert [(path, *names) for path, *names in named if not exists(ROOT / "tests" / path, *filter(None, names))] == []


def exists(path: Path, *names: str) -> bool:
    """Whether the file has such a function, or such a class, by name or by assignment, with such a function in it."""
    body = ast.parse(path.read_text()).body if path.exists() else []
    for name in names:
        found = [node for node in body if name in names_of(node)]
        if not found:
            return False
        body = getattr(found[0], "body", [])
    return bool(names)


def names_of(node: ast.stmt) -> set[str]:
    """What a statement defines."""
    if isinstance(node, ast.Assign):
        return {target.id for target in node.targets if isinstance(target, ast.Name)}
    return {getattr(node, "name", "")}


def test_every_complaint_has_its_test() -> None:
    table = (ROOT / "docs" / "clearing.md").read_text().partition("## Complaints")[2]
    rows = [line for line in table.splitlines() if re.match(r"\| \d+ \|", line)]
    assert [int(row.split("|")[1]) for row in rows] == list(range(1, len(rows) + 1))
    assert all(NAMED.search(row) for row in rows)
