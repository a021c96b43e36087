"""Clearing for people: the calendar of business days, a day and its run, the day of the books that is to be closed, the
queue of discrepancies, and one with what can be done about it. What is read and decided is `backoffice/clearing`'s, as for programs."""

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncEngine

from admin.clearing.pages.books import books_pages
from admin.clearing.pages.calendar import calendar_pages
from admin.clearing.pages.discrepancy import discrepancy_pages
from admin.clearing.pages.queue import queue_pages
from admin.clearing.pages.run import run_pages

__all__ = ["clearing_pages"]


def clearing_pages(engine: AsyncEngine) -> tuple[APIRouter, ...]:
    """The routes."""
    # The pages of the books first: their paths look like days of a provider.
    return books_pages(engine), calendar_pages(engine), run_pages(engine), queue_pages(), discrepancy_pages(engine)
