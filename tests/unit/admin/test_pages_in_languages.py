"""Pages in the language and the zone of whoever reads them, and in a language that shows what was not translated."""

import html
import re
from datetime import UTC, date, datetime
from gettext import NullTranslations
from typing import Final

import msgspec
import pytest

from admin import language
from admin.clearing.pages.words import kind_words
from admin.locale.sentences import catalogue
from admin.retelling import retold
from analytics import words
from analytics.report import Report, Result, find_report, read_reports
from backoffice.clearing.report import as_html
from billing.access.roles import Role
from billing.clearing.discrepancies import Kind
from billing.sentence import Sentence
from tests.support.clearing_report import MADE_AT, a_full_report
from tests.unit.admin.conftest import World
from tests.unit.admin.test_language import SAME, Texts

RUSSIAN: Final = {"Accept-Language": "ru-RU,ru;q=0.9,en;q=0.5"}


async def test_a_page_is_in_the_language_of_the_browser(world: World) -> None:
    page = await (await world.get("/sign-in", **RUSSIAN)).text()
    assert '<html lang="ru">' in page
    assert "<h1>Войти</h1>" in page
    english = await (await world.get("/sign-in")).text()
    assert '<html lang="en">' in english
    assert "<h1>Sign in</h1>" in english


async def test_a_refusal_is_in_the_language_of_the_browser(world: World) -> None:
    await world.sign_in(Role.SUPPORT)
    page = await (await world.get("/reports", **RUSSIAN)).text()
    assert "Роль «поддержка» не позволяет: Видеть отчёты и скачивать их." in page


async def test_what_a_person_has_chosen_counts_before_the_browser(world: World) -> None:
    await world.sign_in()
    saved = await world.post("/me/preferences", {"language": "ru", "zone": "Asia/Yekaterinburg"})
    assert (saved.status, saved.headers["Location"]) == (303, "/me#preferences")
    page = await (await world.get("/me", **{"Accept-Language": "en"})).text()
    assert '<html lang="ru">' in page
    assert '<option value="ru" lang="ru" selected>Русский</option>' in page
    assert "<option selected>Asia/Yekaterinburg</option>" in page
    assert re.search(r"Сейчас \d{1,2} \w+\.? \d{4} \d\d:\d\d UTC\+05:00\.", page)
    await world.post("/me/preferences", {"language": "", "zone": ""})
    back = await (await world.get("/me", **{"Accept-Language": "en"})).text()
    assert '<html lang="en">' in back
    assert " MSK." in back, "the zone of the business"


@pytest.mark.parametrize(
    "form",
    [{"language": "de"}, {"zone": "Europe/Atlantis"}, {"zone": "../../etc/passwd"}, {"zone": "Etc/GMT+5"}],
)
async def test_a_language_or_a_zone_that_there_is_not_is_refused(world: World, form: dict[str, str]) -> None:
    await world.sign_in()
    answer = await world.post("/me/preferences", form)
    assert answer.status == 422
    assert "There is no such language or time zone" in await answer.text()
    assert (world.accounts.language, world.accounts.zone) == (None, None)


async def test_a_choice_that_a_release_does_not_know_is_none(world: World) -> None:
    world.accounts.language, world.accounts.zone = "tlh", "Moon/Tranquillity"
    await world.sign_in()
    page = await (await world.get("/me", **RUSSIAN)).text()
    assert '<html lang="ru">' in page
    assert " MSK." in page


async def test_what_programs_read_stays_english(world: World) -> None:
    problem = await (await world.get("/v1/analytics/nothing", **RUSSIAN)).json()
    assert problem["title"] == "There is no such report"


async def test_a_chart_is_in_the_language_of_its_page(world: World) -> None:
    columns = ("day", "currency", "gross", "refunds", "fees", "net")
    rows = [(date(2026, 11, day), "RUB", 1_234_567, 100, 0, 1_234_467) for day in (22, 23)]
    world.store.results["books_by_day"] = Result(columns, rows)
    await world.sign_in()
    russian = await (await world.get("/reports/books_by_day.svg?size=page", **RUSSIAN)).text()
    assert {"оборот", "возвраты", "23 нояб."} <= set(re.findall(r"<text[^>]*>([^<]+)<", russian))
    english = await (await world.get("/reports/books_by_day.svg?size=page")).text()
    assert {"gross", "refunds", "23 Nov"} <= set(re.findall(r"<text[^>]*>([^<]+)<", english))


async def test_a_file_of_a_report_stays_english(world: World) -> None:
    world.store.results["books_by_day"] = Result(("day", "currency", "gross"), [(date(2026, 11, 22), "RUB", 1)])
    await world.sign_in()
    file = await (await world.get("/reports/books_by_day.csv", **RUSSIAN)).text()
    assert file.splitlines()[0].endswith("day,currency,gross")


class Marked(NullTranslations):
    """A language in which every sentence stands in brackets."""

    def gettext(self, message: str) -> str:
        return f"⟦{message}⟧"

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        return f"⟦{msgid1 if n == 1 else msgid2}⟧"

    def pgettext(self, context: str, message: str) -> str:
        return f"⟦{message}⟧"


#: What the tests' people, sessions and browsers are called, languages and zones in their own names, currencies, times.
_DATA: Final = re.compile(
    r"[\w.]+@cinema\.example|Ann\b|Bob|Eve|Kim|Mozilla.*|English|Русский|[A-Z]\w+/[\w/+-]+|UTC|MSK|RUB|ms|"
    r"\d+ \w+\.? \d{4}|session-of-.*|127\.0\.0\.1|0123abcd|\d+ [a-z]{1,3}\b"
)
_INNERMOST: Final = re.compile(r"⟦[^⟦⟧]*⟧")
_CODE: Final = re.compile(r"<code\b.*?</code>", re.DOTALL)
_LETTERS: Final = re.compile(r"[^\W\d_]{2,}")


def unmarked(page: str) -> list[str]:
    """Texts of a page that are not, or not wholly, in the language of brackets."""
    texts = Texts()
    texts.feed(_CODE.sub("", page))
    found = []
    for text in texts.found:
        if text in SAME:
            continue
        rest = text
        while rest != (rest := _INNERMOST.sub("", rest)):
            pass
        if _LETTERS.search(_DATA.sub("", rest)):
            found.append(text)
    return found


@pytest.mark.parametrize(
    ("path", "role"),
    [
        ("/sign-in", None), ("/welcome/good", None), ("/welcome/bad", None), ("/reports/nothing", Role.ADMIN), ("/me", Role.FINANCE),
        ("/confirm", Role.FINANCE), ("/staff", Role.ADMIN), ("/trail", Role.ADMIN), ("/monitor", Role.VIEWER),
        ("/reports", Role.FINANCE), ("/reports/funnel", Role.FINANCE), ("/keys/new", Role.ADMIN),
        ("/payments?q=a%20b%20c", Role.VIEWER),
    ],
)  # fmt: skip
async def test_no_text_of_a_page_is_left_untranslated(
    world: World, monkeypatch: pytest.MonkeyPatch, path: str, role: Role | None
) -> None:
    monkeypatch.setattr(language, "translations", lambda _: Marked())
    if role is not None:
        await world.sign_in(role)
    page = await (await world.get(path, **RUSSIAN)).text()
    assert "⟦" in page
    assert unmarked(page) == []


def example_of(report: Report) -> Result:
    """The rows of a report's example, which remarks may follow."""
    rows = [re.split(r" {2,}", line.strip()) for line in report.example.splitlines()[1:]]
    return Result(report.columns, [[*map(_typed, row)] for row in rows if len(row) == len(report.columns)])


def _typed(text: str) -> object:
    if re.fullmatch(r"\d{4}-\d\d-\d\d[\d :.]*", text):
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if len(text) > len("2026-11-03") else moment.date()
    number = re.fullmatch(r"-?\d+(\.\d+)?", text)
    return text if number is None else float(text) if number[1] else int(text)


#: Names in the examples, and names of months.
_NAMES: Final = re.compile(r"yandex-pay|tbank|cinema|film-stalker|нояб\.|окт\.|сент\.|%")


@pytest.mark.parametrize("name", read_reports())
async def test_no_value_and_no_label_of_a_report_is_left_untranslated(
    world: World, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    result = example_of(find_report(name))
    assert result.rows
    world.store.results[name] = result
    monkeypatch.setattr(language, "translations", lambda _: Marked())
    await world.sign_in(Role.FINANCE)
    page = await (await world.get(f"/reports/{name}", **RUSSIAN)).text()
    assert unmarked(_NAMES.sub("", page)) == []
    picture = await (await world.get(f"/reports/{name}.svg?size=page", **RUSSIAN)).text()
    texts = [html.unescape(text) for text in re.findall(r"<text[^>]*>([^<]+)<", picture)]
    assert texts
    # A long label is cut: its end may be away.
    assert [text for text in texts if "⟦" not in text and unmarked(f"<p>{_NAMES.sub('', text)}</p>")] == []


def test_every_value_of_the_reports_examples_is_in_the_catalogue() -> None:
    known = {message.id for message in catalogue()}
    for report in read_reports().values():
        result = example_of(report)
        for row in result.rows:
            for column, value in zip(result.columns, row, strict=True):
                if isinstance(value, str) and column not in words.IDS and _LETTERS.search(value):
                    # How customers pay is named by providers.
                    assert words.plain(value) in known or value == "card", (report.name, column, value)


async def test_the_day_s_report_has_no_text_that_is_left_untranslated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(language, "translations", lambda _: Marked())
    made = msgspec.structs.replace(
        a_full_report(), closed=Sentence("%(time)s by %(who)s, hash %(hash)s", time=MADE_AT, who="olga", hash="0"),
    )  # fmt: skip
    with language.writing_for(language.Reader("ru")), words.speaking(language.tongue()._replace(say=retold)):
        page = as_html(made).decode()
    assert '<html lang="ru">' in page
    ids = re.compile(r'<td role="cell" class="id[^>]*>[^<]*</td>')
    assert unmarked(ids.sub("", page)) == []


def test_a_text_that_was_left_would_be_found() -> None:
    assert unmarked("<p>⟦Held by ⟦the provider⟧⟧, 3 Nov 2026</p><p>⟦Paid⟧ by hand</p>") == ["⟦Paid⟧ by hand"]


def test_the_kinds_of_discrepancies_are_words_of_the_language() -> None:
    with language.writing_for(language.Reader("ru")):
        assert all("а" <= kind_words(kind)[1] <= "я" for kind in Kind)  # noqa: RUF001 - Russian
