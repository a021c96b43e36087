"""The life cycle of a subscription, as its table says."""

from pathlib import Path

from billing.subscriptions.lifecycle import TRANSITIONS, mermaid
from billing.subscriptions.vocabulary import Status

DOCUMENT = Path(__file__).parents[4] / "docs" / "subscriptions.md"


def test_the_diagram_in_the_docs_is_the_table_in_the_code() -> None:
    assert f"```mermaid\n{mermaid()}```" in DOCUMENT.read_text()


def test_every_status_can_be_reached() -> None:
    assert {Status.INCOMPLETE, *TRANSITIONS.values()} == set(Status)
