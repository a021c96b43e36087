"""The report pages, without a browser."""

import re
from datetime import date

import pytest

from admin import formatting
from admin.people.cookies import SESSION
from analytics import words
from analytics.report import Result
from billing.access.roles import Role
from tests.unit.admin.conftest import EMAIL, KEY, PASSWORD

DAY = date(2026, 11, 23)
BOOKS = Result(
    ("day", "currency", "gross", "refunds", "fees", "net"),
    [(DAY, "RUB", 1_234_567, 100, 0, 1_234_467), (DAY, "JPY", 500, 0, 0, 500), (DAY, "KWD", 1_234, 0, 0, 1_234)],
)
APPROVAL = Result(
    ("provider", "currency", "approved", "declined", "undecided", "approval_percent"),
    [("stripe", "RUB", 9, 1, 0, 90.0), ("stripe", "JPY", 1, 3, 0, 25.0)],
)
UNFINISHED = Result(
    ("provider", "status", "currency", "payments", "amount", "oldest"), [("stripe", "PENDING", "RUB", 2, 59_800, DAY)]
)


@pytest.fixture
def stocked(world):
    world.store.results |= {
        "books_by_day": BOOKS,
        "approval_by_provider": APPROVAL,
        "unfinished_by_age": UNFINISHED,
    }
    world.headers = {}
    return world


@pytest.mark.parametrize("path", ["/reports", "/reports/funnel", "/reports/funnel.csv", "/reports/funnel.svg"])
async def test_pages_require_a_session(stocked, path):
    answer = await stocked.get(path)
    assert (answer.status, answer.headers["Location"]) == (303, f"/sign-in?next={path}")
    assert stocked.store.asked == []


async def test_an_api_key_opens_no_page(stocked):
    answer = await stocked.get("/reports", Authorization=f"Bearer {KEY}")
    assert answer.status == 303
    assert (await stocked.get("/v1/analytics", Authorization=f"Bearer {KEY}")).status == 200


async def test_a_wrong_password_opens_no_session(stocked):
    answer = await stocked.post("/sign-in", {"email": EMAIL, "password": "not-the-password"})
    assert answer.status == 401
    assert "Set-Cookie" not in answer.headers
    assert "not-the-password" not in await answer.text(), "what was typed is not repeated"


async def test_the_cookie_is_not_readable_by_scripts_or_other_sites(stocked):
    answer = await stocked.post("/sign-in", {"email": EMAIL, "password": PASSWORD})
    cookie = answer.headers["Set-Cookie"]
    assert answer.status == 303
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Path=/" in cookie


async def test_beyond_this_machine_the_cookie_is_for_one_host_and_tls_only(stocked):
    answer = await stocked.http.get(f"{stocked.url}/sign-in", headers={"Host": "pages.cinema.example"})
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("__Host-billing")
    assert "Secure" in cookie
    assert "Domain" not in cookie


async def test_after_signing_in_one_comes_back_to_the_page_and_never_elsewhere(stocked):
    right = {"email": EMAIL, "password": PASSWORD}
    answer = await stocked.post("/sign-in?next=/reports/funnel", right)
    assert answer.headers["Location"] == "/reports/funnel"
    for elsewhere in ("https://evil.example", "//evil.example", "/\\evil.example"):
        stocked.http.cookie_jar.clear()
        answer = await stocked.post(f"/sign-in?next={elsewhere}", right)
        assert answer.headers["Location"] == "/", elsewhere


async def test_a_forged_cookie_opens_no_session(stocked):
    for forged in ("00", "nonsense", ""):
        answer = await stocked.get("/reports", Cookie=f"{SESSION}={forged}")
        assert answer.status == 303


async def test_signing_out_ends_the_session(stocked):
    await stocked.sign_in()
    assert (await stocked.get("/reports")).status == 200
    assert (await stocked.post("/sign-out")).status == 303
    assert (await stocked.get("/reports")).status == 303


async def test_a_session_that_has_ended_opens_no_page(stocked):
    await stocked.sign_in()
    stocked.accounts.roles.clear()
    assert (await stocked.get("/reports")).status == 303


async def test_a_role_without_reports_is_refused_and_that_is_on_the_trail(stocked):
    await stocked.sign_in(Role.SUPPORT)
    answer = await stocked.get("/reports/funnel")
    assert answer.status == 403
    assert "A support may not" in await answer.text()
    assert stocked.store.asked == []
    (entry,) = stocked.trail.entries
    assert (entry.who, entry.kind, entry.subject_id) == (EMAIL, "refused", "GET /reports/{name}")


async def test_a_refusal_that_cannot_be_put_on_the_trail_is_answered_with_503(stocked):
    await stocked.sign_in(Role.SUPPORT)
    stocked.trail.unavailable = True
    assert (await stocked.get("/reports/funnel")).status == 503


async def test_the_start_page_shows_key_figures_of_the_largest_currency(stocked):
    await stocked.sign_in()
    page = await (await stocked.get("/reports?from=2026-11-01&to=2026-11-23")).text()
    space = "\u202f"
    assert f'id="net">12{space}344.67 <small>RUB' in page
    assert f'id="approved">90.0{space}%' in page
    assert 'id="open">598.00' in page
    asked = dict(stocked.store.asked)
    assert asked["books_by_day"] == {"from": date(2026, 11, 1), "to": DAY}
    assert asked["unfinished_by_age"] == {"from": date(2026, 11, 1), "as_of": DAY}


@pytest.mark.parametrize(("currency", "gross"), [("JPY", "500"), ("KWD", "1.234")])
async def test_amounts_have_the_digits_of_their_currency(stocked, currency, gross):
    await stocked.sign_in()
    page = await (await stocked.get(f"/reports?currency={currency}")).text()
    assert f'id="gross">{gross} <small>{currency}' in page


async def test_a_report_shows_one_currency_and_its_file_the_same_in_minor_units(stocked):
    await stocked.sign_in()
    page = await (await stocked.get("/reports/books_by_day?currency=JPY")).text()
    assert page.count("<tr ") == 2
    file = await stocked.get("/reports/books_by_day.csv?currency=RUB")
    assert "attachment" in file.headers["Content-Disposition"]
    assert (await file.text()).splitlines()[1:] == ["2026-11-23,RUB,1234567,100,0,1234467"]


async def test_a_table_says_the_unit_of_each_column_and_dates_in_words(stocked):
    stocked.store.results["mrr_movements"] = Result(
        ("month", "currency", "movement", "subscriptions", "arr", "mrr"),
        [(date(2026, 11, 1), "RUB", "NEW", 8, 3_830_400, 319_200), (date(2026, 11, 1), "JPY", "NEW", 1, 1_200, 100)],
    )
    await stocked.sign_in()
    page = await (await stocked.get("/reports/mrr_movements?currency=RUB")).text()
    headings = re.findall(r"<th[^>]*>([^<]*)</th>", page)
    assert headings == ["month", "movement", "subscriptions", "ARR, RUB", "MRR, RUB"]
    assert re.findall(r"<td[^>]*>([^<]*)</td>", page) == [
        "Nov\u00a02026",
        "new",
        "8",
        "38\u202f304.00",
        "3\u202f192.00",
    ]


async def test_cohorts_are_a_table_whose_colours_are_shares(stocked):
    columns = ("cohort", "currency", "periods", "lives", "percent")
    rows = [("RUB", 1, 120, 100.0), ("RUB", 2, 78, 65.0), ("KZT", 1, 9, 100.0)]
    stocked.store.results["retention_cohorts"] = Result(columns, [(date(2026, 9, 1), *row) for row in rows])
    await stocked.sign_in()
    page = await (await stocked.get("/reports/retention_cohorts?currency=RUB")).text()
    heat = page[page.index('<table class="heat">') : page.index("</table>")]
    assert re.findall(r">([^<>\n]+)</t[hd]>", heat) == ["cohort", "lives", "1", "2", "Sep 2026", "120", "100", "65"]
    assert re.findall(r"heat-\d+", heat) == ["heat-10", "heat-6"]
    assert "<picture>" not in page, "the table is the chart"


async def test_a_report_without_rows_draws_no_chart(stocked):
    await stocked.sign_in()
    page = await (await stocked.get("/reports/mrr")).text()
    assert "No rows for these days" in page
    assert "<picture>" not in page


async def test_the_start_page_lists_reports_on_subscriptions_apart(stocked):
    await stocked.sign_in()
    page = await (await stocked.get("/reports")).text()
    payments, subscriptions = page.split("<h3>Payments</h3>")[1].split("<h3>Subscriptions</h3>")
    assert 'href="/reports/books_by_day">Books by day</a>' in payments
    assert 'href="/reports/mrr">MRR</a>' in subscriptions
    assert subscriptions.count("<li>") == 11


async def test_a_chart_of_an_unknown_size_is_refused(stocked):
    await stocked.sign_in()
    assert (await stocked.get("/reports/books_by_day.svg?size=huge")).status == 422


async def test_a_chart_is_drawn_for_light_and_dark(stocked):
    await stocked.sign_in()
    light = await (await stocked.get("/reports/books_by_day.svg?currency=RUB")).text()
    dark = await (await stocked.get("/reports/books_by_day.svg?currency=RUB&theme=dark")).text()
    assert light.startswith("<svg")
    assert "#d8d8d8" in dark
    assert "#d8d8d8" not in light


async def test_a_page_says_which_columns_count_payments(stocked):
    columns = ("provider", "currency", "captured", "refunded", "gross", "refunds")
    stocked.store.results["refund_ratio"] = Result(columns, [("stripe", "RUB", 160, 8, 478_400, 15_000)])
    await stocked.sign_in()
    page = await (await stocked.get("/reports/refund_ratio")).text()
    assert "<dt>captured</dt><dd>number of payments with money taken</dd>" in page


async def test_report_values_are_escaped(stocked):
    stocked.store.results["decline_reasons"] = Result(("reason",), [("<script>alert(1)</script>",)])
    await stocked.sign_in()
    page = await (await stocked.get("/reports/decline_reasons")).text()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


async def test_no_page_allows_scripts_or_caching(stocked):
    await stocked.sign_in()
    for path in ("/sign-in", "/reports", "/reports/books_by_day"):
        headers = (await stocked.get(path)).headers
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "script-src" not in headers["Content-Security-Policy"]
        assert headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("path", "status"),
    [("/reports/nothing", 404), ("/reports/funnel?from=x", 422), ("/reports/funnel?colour=red", 422)],
)
async def test_an_error_page_gives_the_reason(stocked, path, status):
    await stocked.sign_in()
    answer = await stocked.get(path)
    assert answer.status == status
    assert "<h1>" in await answer.text()


async def test_a_page_says_that_clickhouse_is_unavailable(stocked):
    await stocked.sign_in()
    stocked.store.unavailable = True
    answer = await stocked.get("/reports")
    assert answer.status == 503
    assert "ClickHouse does not answer, so no report can be shown" in await answer.text()


async def test_a_form_that_is_too_long_is_refused(stocked):
    answer = await stocked.http.post(f"{stocked.url}/sign-in", data={"email": "x" * 100_000})
    assert answer.status == 413


def test_numbers_are_grouped_and_negative_ones_have_a_minus():
    assert formatting.money(-1_234_567, "RUB") == "\u221212\u202f345.67"
    assert words.grouped(-1_000) == "\u22121\u202f000"
    assert formatting.percent(0, 0) == "\u2013"
