"""What a SQLSTATE means to the process that meets it."""

import pytest
from sqlalchemy.exc import DBAPIError

from runtime.postgres import is_mismatch, is_refusal


class PostgresError(Exception):
    def __init__(self, state: str | None) -> None:
        self.sqlstate = state


def error(state):
    return DBAPIError("INSERT", {}, PostgresError(state))


@pytest.mark.parametrize("state", ["22001", "22021", "22P02", "23505", "23514", "54000", "BL002"])
def test_data_that_postgres_will_never_accept_is_a_refusal(state):
    assert is_refusal(error(state))
    assert not is_mismatch(error(state))


@pytest.mark.parametrize("state", ["23502", "23503", "42P01", "42703", "42883", "42501"])
def test_a_statement_that_does_not_fit_the_schema_is_a_mismatch(state):
    assert is_mismatch(error(state))
    assert not is_refusal(error(state))


@pytest.mark.parametrize("state", [None, "", "08006", "40001", "40P01", "53300", "55P03", "57P01", "57014"])
def test_everything_else_is_an_outage_that_ends(state):
    assert not is_refusal(error(state))
    assert not is_mismatch(error(state))
