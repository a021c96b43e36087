"""Who is asked for a payment that names no provider."""

from pathlib import Path
from typing import Any

import pytest

from ingest_api.routing.selection import read_rules
from providers import registry

RULES = """
[[rule]]
name = "large-sums"
currencies = ["RUB"]
amount_from = 10_000_000
providers = ["tbank", "yookassa"]

[[rule]]
name = "by-phone"
methods = ["sbp"]
providers = ["yookassa"]

[[rule]]
name = "abroad"
countries = ["DE", "FR"]
providers = ["stripe"]

[[rule]]
name = "everybody-else"
providers = ["yandex-pay", "tbank", "stripe"]
"""
VERIFIERS = registry.build_verifiers(registry.read_callback_settings())
ALL = ("yandex-pay", "yookassa", "stripe", "tbank")


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    path = tmp_path / "routes.toml"
    path.write_text(RULES)
    return path


async def chosen(world: Any, body: dict[str, Any], **changes: Any) -> tuple[str | None, str, tuple[str, ...]]:
    """Rule, provider and alternatives of the command that followed."""
    del body["provider"]
    price = changes.pop("amount", None)
    if price is not None:
        body["cart"]["items"] = [{"product_id": "film-77", "title": "Stalker", "quantity": 1, "unit_price": price}]
        body["amount"] = price
    answer = await world.create(body | changes)
    assert answer.status == 202, answer.raw
    (command,) = world.writer.commands
    return command.route, command.provider, command.alternatives


@pytest.mark.parametrize(
    ("changes", "route", "providers"),
    [
        ({}, "everybody-else", ("yandex-pay", "tbank", "stripe")),
        ({"capture_mode": "TWO_STAGE"}, "everybody-else", ("tbank", "stripe")),
        ({"amount": 10_000_000}, "large-sums", ("tbank", "yookassa")),
        ({"amount": 9_999_999}, "everybody-else", ("yandex-pay", "tbank", "stripe")),
        ({"method": "sbp"}, "by-phone", ("yookassa",)),
        ({"country": "DE"}, "abroad", ("stripe",)),
        ({"country": "KZ"}, "everybody-else", ("yandex-pay", "tbank", "stripe")),
        # T-Bank and Yandex Pay take roubles only.
        ({"currency": "EUR"}, "everybody-else", ("stripe",)),
    ],
)
async def test_the_first_rule_that_fits_names_those_that_take_the_payment(
    serve, rules, body, changes, route, providers
):
    async with serve(VERIFIERS, routes_file=rules) as world:
        assert await chosen(world, body, **changes) == (route, providers[0], providers[1:])


async def test_without_rules_every_provider_may_be_asked(serve, body):
    async with serve(VERIFIERS) as world:
        route, first, others = await chosen(world, body)
        assert (route, {first, *others}) == ("any", set(ALL))


async def test_a_provider_that_is_not_called_now_is_asked_last(serve, rules, body):
    async with serve(VERIFIERS, routes_file=rules) as world:
        world.reads.unavailable_now = frozenset({"yandex-pay"})
        await world.dependencies.selector.health.refresh()
        assert await chosen(world, body) == ("everybody-else", "tbank", ("stripe", "yandex-pay"))


async def test_only_the_named_provider_is_tried(serve, rules, body):
    async with serve(VERIFIERS, routes_file=rules) as world:
        world.reads.unavailable_now = frozenset({"yandex-pay"})
        await world.dependencies.selector.health.refresh()
        assert (await world.create(body)).status == 202
        (command,) = world.writer.commands
        assert (command.route, command.provider, command.alternatives) == (None, "yandex-pay", ())


async def test_a_payment_that_no_provider_accepts_is_refused_and_not_stored(serve, tmp_path, body):
    path = tmp_path / "routes.toml"
    path.write_text('[[rule]]\nname = "home"\ncurrencies = ["RUB"]\nproviders = ["yandex-pay"]\n')
    async with serve(VERIFIERS, routes_file=path) as world:
        del body["provider"]
        (await world.create(body | {"currency": "EUR"})).is_problem(422, "no-provider")
        assert world.writer.records == []


@pytest.mark.parametrize("hint", [{"country": "DE"}, {"method": "sbp"}])
async def test_a_provider_is_named_or_chosen_not_both(world, body, hint):
    (await world.create(body | hint)).is_problem(422, "invalid-request")


async def test_a_repeat_is_the_same_command_whatever_the_rules_say_by_then(serve, rules, body):
    del body["provider"]
    fingerprints = set()
    for settings in ({"routes_file": rules}, {}):
        async with serve(VERIFIERS, **settings) as world:
            await world.create(body)
            fingerprints.add(world.writer.commands[0].fingerprint)
    assert len(fingerprints) == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[rule", "is not TOML"),
        ("", "rule: Field required"),
        ('[[rule]]\nname = "a"\nproviders = []', "rule.0.providers"),
        ('[[rule]]\nname = "a"\nproviders = ["paypal"]', "no provider paypal"),
        ('[[rule]]\nname = "a"\nproviders = ["stripe", "stripe"]', "listed twice"),
        ('[[rule]]\nname = "a"\nproviders = ["stripe"]\nprice = 1', "rule.0.price"),
        ('[[rule]]\nname = "a"\nproviders = ["stripe"]\namount_from = 1', "name the one currency"),
        (
            '[[rule]]\nname = "a"\nproviders = ["stripe"]\ncurrencies = ["EUR"]\namount_from = 5\namount_to = 5',
            "amount_from must be below amount_to",
        ),
        ('[[rule]]\nname = "a"\nproviders = ["stripe"]\n[[rule]]\nname = "a"\nproviders = ["tbank"]', "two rules"),
    ],
)
def test_rules_that_mean_nothing_stop_the_start_and_say_why(tmp_path: Path, text: str, said: str):
    path = tmp_path / "routes.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match="routing rules: .*routes.toml") as refused:
        read_rules(path, ALL)
    assert said in str(refused.value)


def test_rules_that_cannot_be_read_stop_the_start(tmp_path: Path):
    with pytest.raises(ValueError, match="cannot be read"):
        read_rules(tmp_path / "none.toml", ALL)


def test_the_example_that_is_shipped_is_sound():
    assert read_rules(Path(__file__).parents[3] / "deploy/routes.example.toml", ALL)
