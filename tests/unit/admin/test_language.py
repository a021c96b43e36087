"""The catalogue is whole, no text of a page is left out of it, and numbers, money and times have the reader's form."""

import ast
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from html.parser import HTMLParser
from itertools import chain
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest
import yaml
from babel.messages.pofile import read_po
from jinja2 import Environment

from admin import formatting, language
from admin.language import LANGUAGES, Reader, asked_language, gettext, ngettext, pgettext, writing_for
from admin.locale.sentences import ADMIN, catalogue
from admin.retelling import PATTERNS, retold
from billing.money import Money
from billing.sentence import Code, Sentence, joined
from billing.vocabulary import Action, PaymentStatus

RUSSIAN: Final = Reader("ru", ZoneInfo("Europe/Moscow"))
NOON: Final = datetime(2026, 11, 3, 12, 5, tzinfo=UTC)
OTHERS: Final = [code for code in LANGUAGES if code != "en"]
TEMPLATES: Final = sorted((ADMIN / "templates").rglob("*.html"))
_PLACE: Final = re.compile(r"%\((\w+)\)s")
_PERCENT: Final = re.compile(r"%(?!\(\w+\)s)")


def of_file(code: str) -> Any:
    with (language.LOCALE / code / "LC_MESSAGES" / "billing.po").open("rb") as file:
        return read_po(file, locale=code)


class TestCatalogue:
    @pytest.mark.parametrize("code", OTHERS)
    def test_it_has_every_sentence_and_no_other(self, code: str) -> None:
        said = {(m.context, m.id) for m in catalogue() if m.id}
        known = of_file(code)
        assert {(m.context, m.id) for m in known if m.id} == said, "`python -m admin.locale` brings it up to date"
        assert not known.obsolete

    @pytest.mark.parametrize("code", OTHERS)
    def test_every_sentence_is_translated_in_all_its_forms(self, code: str) -> None:
        known = of_file(code)
        forms = known.num_plurals
        for message in known:
            said = message.string if message.pluralizable else (message.string,)
            assert len(said) == (forms if message.pluralizable else 1), message.id
            assert not message.id or all(said), message.id
            assert not message.fuzzy, message.id

    @pytest.mark.parametrize("code", OTHERS)
    def test_a_translation_has_the_places_of_its_sentence(self, code: str) -> None:
        for message in of_file(code):
            if not message.id:
                continue
            (*_, english) = message.id if message.pluralizable else (message.id,)
            for said in message.string if message.pluralizable else (message.string,):
                assert set(_PLACE.findall(said)) == set(_PLACE.findall(english)), english
                assert _PERCENT.search(said) is None, f"Jinja fills in every sentence: {said}"


class Texts(HTMLParser):
    """What people see or hear of a page: texts between tags, and attributes that are read out."""

    SEEN: Final = ("title", "alt", "aria-label", "placeholder", "data-heading")
    CODES: Final = ("code", "pre", "style", "svg")

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._codes = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._codes += tag in self.CODES
        self.found += [value for name, value in attrs if name in self.SEEN and value]

    def handle_endtag(self, tag: str) -> None:
        self._codes -= tag in self.CODES

    def handle_data(self, data: str) -> None:
        if not self._codes:
            self.found.append(data.strip())


#: Texts that are the same in every language.
SAME: Final = frozenset({"SHA-256", "SQL", "shop.example, *.shop.example"})
_LETTERS: Final = re.compile(r"[^\W\d_]{2,}")


def written(template: str) -> list[str]:
    """The texts of a template that go to the page as they stand."""
    environment = Environment(extensions=["jinja2.ext.i18n"], autoescape=True)
    tokens = [value if kind == "data" else "" for _, kind, value in environment.lex(template)]
    texts = Texts()
    texts.feed("".join(tokens))
    return [text for text in texts.found if _LETTERS.search(text) and text not in SAME]


class TestTemplates:
    @pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ADMIN / "templates")))
    def test_no_text_stands_outside_the_catalogue(self, path: Path) -> None:
        assert written(path.read_text()) == []

    def test_a_text_and_an_attribute_outside_it_would_be_found(self) -> None:
        page = '<p title="Hold on">{{ _("Yes") }} <code>as is</code> rows</p><input placeholder="{{ x }}">'
        assert written(page) == ["Hold on", "rows"]


#: Functions whose first text people read.
SAYING: Final = frozenset(
    {
        "InvalidForm",
        "InvalidFile",
        "Refused",
        "Unclear",
        "State",
        "Look",
        "Standing",
        "Place",
        "Meaning",
        "Choice",
        "Turn",
    }
)


def unsaid(source: str) -> Iterator[str]:
    """Sentences of code that are not in the catalogue."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        said = node.args[:1] if name in SAYING else node.args[1:2] if name == "ProblemError" else []
        said += [keyword.value for keyword in node.keywords if keyword.arg == "wrong"]
        yield from (ast.unparse(one) for one in said if isinstance(one, ast.Constant | ast.JoinedStr) and _text(one))


def _text(node: ast.Constant | ast.JoinedStr) -> bool:
    return isinstance(node, ast.JoinedStr) or isinstance(node.value, str)


class TestCode:
    #: Answers to programs.
    OF_PROGRAMS: Final = ("access.py", "analytics_api.py", "report_store.py", "reports.py", "clearing/discrepancies.py")

    def test_no_sentence_of_a_form_or_a_state_stands_outside_the_catalogue(self) -> None:
        found = {
            str(path.relative_to(ADMIN)): list(unsaid(path.read_text()))
            for path in ADMIN.rglob("*.py")
            if str(path.relative_to(ADMIN)) not in self.OF_PROGRAMS
        }
        assert {path: sentences for path, sentences in found.items() if sentences} == {}

    def test_a_sentence_outside_it_would_be_found(self) -> None:
        assert list(unsaid('raise InvalidForm(f"The {name} is long.")')) == ["f'The {name} is long.'"]
        assert list(unsaid('raise InvalidForm(gettext("Choose a file."))')) == []


class TestReader:
    @pytest.mark.parametrize(
        ("header", "code"),
        [
            ("", "en"),
            ("ru", "ru"),
            ("ru-RU,ru;q=0.9,en;q=0.8", "ru"),
            ("en-GB,en;q=0.9,ru;q=0.8", "en"),
            ("de,ru;q=0.5,en;q=0.4", "ru"),
            ("ru;q=0,de", "en"),
            ("ru;q=x", "en"),
            ("*", "en"),
            ("," * 10_000, "en"),
        ],
    )
    def test_the_browser_s_best_language_of_ours_is_taken(self, header: str, code: str) -> None:
        assert asked_language(header) == code

    def test_nobody_reads_outside_a_request(self) -> None:
        assert language.reader() == Reader("en", UTC)

    def test_a_block_that_writes_for_somebody_ends(self) -> None:
        with writing_for(RUSSIAN):
            assert gettext("Payments") == "Платежи"
        assert gettext("Payments") == "Payments"


class TestSentences:
    @pytest.mark.parametrize(
        ("number", "said"), [(0, "0 строк"), (1, "1 строка"), (2, "2 строки"), (11, "11 строк"), (21, "21 строка")]
    )
    def test_a_number_has_the_form_of_the_language(self, number: int, said: str) -> None:
        with writing_for(RUSSIAN):
            assert formatting.rows(number) == said

    def test_one_english_text_may_have_two_meanings(self) -> None:
        with writing_for(RUSSIAN):
            assert pgettext("until when", "By") == "Срок"
            assert ngettext("row", "rows", 3) == "строки"

    def test_an_empty_text_stays_empty(self) -> None:
        with writing_for(RUSSIAN):
            assert gettext("") == ""

    def test_a_sentence_of_another_layer_is_told_again_with_its_money(self) -> None:
        english = "1500.00 RUB is above 1000.00 RUB, the limit of the role"
        assert retold(english) == english
        with writing_for(RUSSIAN):
            assert retold(english) == "1\u202f500,00 RUB больше 1\u202f000,00 RUB, предела роли"
            assert retold(english.capitalize().replace("rub", "RUB") + ".") == retold(english)
            assert retold("something that nobody knows") == "something that nobody knows"

    def test_what_the_rules_of_prometheus_say_is_told_as_the_catalogue_has_it(self) -> None:
        rules = (ADMIN.parent / "deploy/prometheus/rules.yml").read_text()
        said = [rule["annotations"] for group in yaml.safe_load(rules)["groups"] for rule in group["rules"]]
        texts = {one[name] for one in said for name in ("summary", "notice")}
        with writing_for(RUSSIAN):
            assert [text for text in texts if text.isascii() and retold(text) in (text, "")] == []
            assert [text for text in texts if retold(text) != gettext(text)] == []

    def test_a_sentence_with_values_is_said_by_its_template(self) -> None:
        call = Sentence(
            "%(action)s %(amount)s of %(provider)s",
            action=Action.CREATE,
            amount=Money(150_000, "RUB"),
            provider="tbank",
        )
        moved = joined(
            "; ", joined(" → ", PaymentStatus.PENDING, PaymentStatus.CAPTURED), joined("=", Code("until"), NOON)
        )
        assert retold(call) == "create 1\u202f500.00 RUB of tbank"
        assert retold(moved) == "pending → captured; until=3 Nov 2026 12:05 UTC"
        with writing_for(RUSSIAN):
            assert retold(call) == "создание 1\u202f500,00 RUB, tbank"
            assert retold(moved) == "в ожидании → списано; до=3 нояб. 2026 15:05 MSK"

    def test_a_contradiction_that_was_stored_is_told_again_with_its_codes_and_money(self) -> None:
        with writing_for(RUSSIAN):
            assert retold("CAPTURED there, PENDING here") == "у провайдера: списано, у нас: в ожидании"  # noqa: RUF001 - Russian
            assert retold("REFUND 7f there, RUB here") == "у провайдера: возврат 7f, у нас: RUB"  # noqa: RUF001 - Russian
            assert (
                retold("12.50 RUB captured there without a request") == "провайдер списал 12,50 RUB без нашего запроса"
            )
            assert retold("unreadable_answer") == "ответ не читается"

    def test_each_pattern_is_recognized_as_itself(self) -> None:
        with writing_for(RUSSIAN):
            for pattern in PATTERNS:
                filled = _PLACE.sub(lambda found: found[1].upper(), pattern)
                wanted = gettext(pattern, **{name: name.upper() for name in _PLACE.findall(pattern)})
                assert retold(filled) == wanted, pattern


class TestFormatting:
    @pytest.mark.parametrize(
        ("amount", "currency", "english", "russian"),
        [
            (0, "RUB", "0.00", "0,00"),
            (1_234_567, "RUB", "12\u202f345.67", "12\u202f345,67"),
            (-5, "RUB", "\u22120.05", "\u22120,05"),
            (1_500, "JPY", "1\u202f500", "1\u202f500"),
            (1_234_567, "KWD", "1\u202f234.567", "1\u202f234,567"),
            (10**18 + 1, "RUB", "10\u202f000\u202f000\u202f000\u202f000\u202f000.01", None),
        ],
    )
    def test_money_is_exact_in_the_form_of_the_language(
        self, amount: int, currency: str, english: str, russian: str | None
    ) -> None:
        assert formatting.money(amount, currency) == english
        with writing_for(RUSSIAN):
            assert formatting.money(amount, currency) == (russian or english.replace(".", ","))

    def test_a_share_and_a_measured_number(self) -> None:
        assert formatting.percent(1, 8) == "12.5\u202f%"
        with writing_for(RUSSIAN):
            assert formatting.percent(1, 8) == "12,5\u202f%"
            assert formatting.percent(0, 0) == "\u2013"
            assert formatting.decimal(1_234.56, 1) == "1\u202f234,6"
            assert formatting.duration(93_784) == "1 д 2 ч"

    def test_a_day_and_a_month(self) -> None:
        day = date(2026, 5, 9)
        assert (formatting.day(day), formatting.month(day), formatting.weekday(day)) == (
            "9 May 2026",
            "May 2026",
            "Sat",
        )
        with writing_for(RUSSIAN):
            assert formatting.day(day) == "9 мая 2026"
            assert formatting.weekday(day) == "сб"  # noqa: RUF001 - Russian

    @pytest.mark.parametrize(
        ("zone", "english", "russian"),
        [
            ("UTC", "3 Nov 2026 12:05 UTC", "3 нояб. 2026 12:05 UTC"),
            ("Europe/Moscow", "3 Nov 2026 15:05 MSK", "3 нояб. 2026 15:05 MSK"),
            ("Asia/Yekaterinburg", "3 Nov 2026 17:05 UTC+05:00", "3 нояб. 2026 17:05 UTC+05:00"),
            ("Asia/Kathmandu", "3 Nov 2026 17:50 UTC+05:45", "3 нояб. 2026 17:50 UTC+05:45"),
        ],
    )
    def test_a_time_is_in_the_reader_s_zone_and_says_which(self, zone: str, english: str, russian: str) -> None:
        with writing_for(Reader("en", ZoneInfo(zone))):
            assert formatting.moment(NOON) == english
        with writing_for(Reader("ru", ZoneInfo(zone))):
            assert formatting.moment(NOON) == russian
            assert formatting.moment_utc(NOON) == "3 нояб. 2026 12:05:00 UTC"

    def test_what_a_form_sends_is_in_the_reader_s_zone(self) -> None:
        typed = datetime(2026, 11, 3, 15, 5)  # noqa: DTZ001 - as browsers send it
        assert formatting.from_local(typed) == typed.replace(tzinfo=UTC)
        with writing_for(RUSSIAN):
            assert formatting.from_local(typed) == NOON
            assert formatting.from_local(NOON) == NOON
            assert f"{formatting.local(NOON):%Y-%m-%dT%H:%M}" == "2026-11-03T15:05"


def test_the_images_keep_what_babel_knows_of_every_language() -> None:
    dockerfile = (ADMIN.parent / "deploy" / "Dockerfile").read_text()
    kept = set(re.findall(r"! -name (\w+)\.dat", dockerfile))
    assert kept == {"root", *LANGUAGES}


def test_every_language_has_its_file_and_no_file_is_without_one() -> None:
    files = {path.parts[-3] for path in language.LOCALE.rglob("*.po")}
    assert sorted(chain(["en"], files)) == sorted(LANGUAGES)
