"""The Prefer header (RFC 7240)."""

import pytest

from ingest_api.edge.prefer import Preference, preference


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([], Preference(10)),
        (["wait=5"], Preference(5, "wait=5")),
        (["WAIT = 5"], Preference(5, "wait=5")),
        (['wait="5"'], Preference(5, "wait=5")),
        (["wait=0"], Preference(0, "wait=0")),
        (["wait=31"], Preference(30, "wait=30")),
        (["respond-async"], Preference(0, "respond-async")),
        (["Respond-Async; foo=bar"], Preference(0, "respond-async")),
        (["respond-async, wait=5"], Preference(5, "wait=5")),
        (["return=minimal", "wait=5"], Preference(5, "wait=5")),
        (["return=minimal"], Preference(10)),
        (["wait=-1"], Preference(10)),
        (["wait=1.5"], Preference(10)),
        (["wait=soon"], Preference(10)),
        (["wait=" + "9" * 40], Preference(10)),
    ],
)
def test_what_a_client_prefers(headers: list[str], expected: Preference) -> None:
    assert preference(headers, default_s=10, max_s=30) == expected
