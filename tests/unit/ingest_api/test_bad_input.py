"""What is refused at the edge: each with its status and problem type, and nothing of it reaches Kafka."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest


@pytest.fixture(autouse=True)
async def nothing_is_produced(world) -> AsyncIterator[None]:
    yield
    assert world.writer.records == []
    assert len(world.waiting) == 0


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b'{"amount": 1,}', b"\xff\xfe", b'{"metadata": {"a": "\\ud800"}}', b'{"cart": ' + b"[" * 4000],
    ids=["empty", "cut off", "trailing comma", "not UTF-8", "half a surrogate", "nested too deep"],
)
async def test_malformed_json(world, raw: bytes) -> None:
    (await world.create(raw)).is_problem(400, "malformed-json")


async def test_unknown_provider(world, body) -> None:
    answer = await world.create({**body, "provider": "bank-of-nowhere"})

    answer.is_problem(422, "unknown-provider")
    assert answer.json["providers"] == ["yandex-pay"]


async def test_a_total_that_does_not_match_the_cart(world, body) -> None:
    answer = await world.create({**body, "amount": 129701})

    answer.is_problem(422, "cart-total-mismatch")
    assert (answer.json["amount"], answer.json["cart_total"]) == (129701, 129700)


ITEM = "/cart/items/0"


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        ("/amount", -129700),
        ("/amount", 0),
        ("/amount", 1297.5),
        ("/amount", 129700.0),
        ("/amount", "129700"),
        ("/amount", True),
        ("/amount", None),
        ("/amount", 10**12 + 1),
        ("/amount", 10**30),
        (f"{ITEM}/unit_price", -1),
        (f"{ITEM}/unit_price", 499.5),
        (f"{ITEM}/unit_price", "49900"),
        (f"{ITEM}/quantity", 0),
        (f"{ITEM}/quantity", 1.5),
        (f"{ITEM}/quantity", 10_001),
        (f"{ITEM}/product_id", ""),
        (f"{ITEM}/product_id", "a b"),
        (f"{ITEM}/title", "x" * 129),
        (f"{ITEM}/title", "null\x00byte"),
        (f"{ITEM}/title", "   "),
        (f"{ITEM}/title", "\u200b\u00a0\u3000"),
        (f"{ITEM}/title", "next\u0085line"),
        (f"{ITEM}/title", "not a character: \ufffe"),
        (f"{ITEM}/title", "overridden \u202egnp.mlif"),
        ("/metadata/campaign", "C1 \u0090"),
        (f"{ITEM}/type", "FOOD"),
        (f"{ITEM}/tax", "vat21"),
        (f"{ITEM}/discount", 1),
        (f"{ITEM}/receipt", 4),
        (f"{ITEM}/receipt/subject", 27),
        ("/cart/items", []),
        ("/currency", "XXX"),
        ("/currency", "rub"),
        ("/customer_id", ""),
        ("/customer_id", "c" * 65),
        ("/customer_id", 1842),
        ("/capture_mode", "LATER"),
        ("/return_urls/success", "javascript:alert(1)"),
        ("/return_urls/success", "//cinema.example"),
        ("/return_urls/success", "https://user:pass@cinema.example"),
        ("/return_urls/success", "https://cinema.example/\n"),
        ("/return_urls/success", "https://"),
        ("/return_urls/success", "https://кино.рф/ok"),
        ("/return_urls/success", "https://cinema.example/спасибо"),
        ("/contact/email", "nobody"),
        ("/contact/email", "viewer@example"),
        ("/contact/email", "viewer..x@example.com"),
        ("/contact/email", "viewer@example.com\n"),
        ("/contact/email", f"{'v' * 65}@example.com"),
        ("/contact/phone", "89001234567"),
        ("/contact/phone", "+7900123456"),
        ("/contact/phone", "+99999999999"),
        ("/contact/phone", "+7 900 123-45-67"),
        ("/metadata", {f"k{number}": "" for number in range(17)}),
        ("/metadata/campaign", 1),
        ("/metadata/campaign", "x" * 513),
        ("/coupon", "FREE"),
    ],
)
async def test_a_field_that_is_not_valid_is_named(world, body, pointer: str, value: Any) -> None:
    _put(body, pointer, value)
    answer = await world.create(body)

    answer.is_problem(422, "invalid-request")
    assert pointer in [error["pointer"] for error in answer.json["errors"]]


def _put(document: Any, pointer: str, value: Any) -> None:
    *path, last = pointer.split("/")[1:]
    for step in path:
        document = document[int(step)] if isinstance(document, list) else document.setdefault(step, {})
    document[last] = value


@pytest.mark.parametrize("field", ["customer_id", "currency", "amount", "cart"])
async def test_a_field_that_is_missing_is_named(world, body, field: str) -> None:
    del body[field]
    answer = await world.create(body)

    answer.is_problem(422, "invalid-request")
    assert [error["pointer"] for error in answer.json["errors"]] == [f"/{field}"]


@pytest.mark.parametrize(
    ("pointer", "value", "words"),
    [
        ("/amount", "129700", "Should be an integer"),
        ("/amount", None, "Should be an integer"),
        ("/amount", 0, "Should be at least 1"),
        ("/amount", 10**12 + 1, "Should be at most 1000000000000"),
        ("/cart/items", [], "Should have at least 1 entry"),
        ("/cart/items", {}, "Should be a list"),
        (f"{ITEM}/quantity", 0, "Should be at least 1"),
        (f"{ITEM}/title", "", "Should have at least 1 character"),
        (f"{ITEM}/title", "x" * 129, "Should have at most 128 characters"),
        (f"{ITEM}/title", " ", "Should have a visible character, and no control characters"),
        (f"{ITEM}/type", "FOOD", "Should be one of "),
        (f"{ITEM}/product_id", "a b", "Should be ASCII characters without spaces"),
        (f"{ITEM}/receipt", 4, "Should be an object"),
        ("/customer_id", 1842, "Should be a text"),
        ("/currency", "rub", "Should be one of AMD, AZN,"),
        ("/country", "RUS", "Should be two capital letters"),
        ("/coupon", "FREE", "Is not a field of this request"),
        ("/return_urls/success", "https://кино.рф/ok", "Should be ASCII"),
        ("/return_urls/success", "//cinema.example", "Should be an absolute http or https URL without credentials"),
        ("/contact/phone", "89001234567", "Should be a phone number in E.164 form, like +79001234567"),
        ("/metadata", {f"k{number}": "" for number in range(17)}, "Should have at most 16 entries"),
    ],
)
async def test_a_fault_is_told_once_and_in_words(world, body, pointer: str, value: Any, words: str) -> None:
    if pointer == "/country":
        del body["provider"]
    _put(body, pointer, value)
    answer = await world.create(body)

    answer.is_problem(422, "invalid-request")
    (error,) = answer.json["errors"]
    assert error["pointer"] == pointer
    assert error["detail"].startswith(words), error
    assert not any(sign in error["detail"] for sign in ("^", "\\", "Tuple", "dictionary", "validation")), error


async def test_an_only_item_that_is_not_valid_is_one_fault(world, body) -> None:
    body["cart"]["items"] = [{**body["cart"]["items"][0], "quantity": 0}]
    answer = await world.create(body)

    assert answer.json["errors"] == [{"pointer": "/cart/items/0/quantity", "detail": "Should be at least 1"}]


async def test_a_member_that_is_in_an_object_twice_is_refused(world, body) -> None:
    twice = json.dumps(body).replace('"amount": 129700', '"amount": 1, "amount": 129700')
    answer = await world.create(twice)

    answer.is_problem(400, "malformed-json")
    assert answer.json["detail"] == "a member is in an object twice"


async def test_a_product_stands_in_the_cart_once(world, body) -> None:
    body["cart"]["items"][1]["product_id"] = "film-77"
    answer = await world.create(body)

    answer.is_problem(422, "invalid-request")
    assert [error["pointer"] for error in answer.json["errors"]] == ["/cart/items"]


async def test_a_body_that_is_not_an_object(world) -> None:
    (await world.create(b"[]")).is_problem(422, "invalid-request")


async def test_what_was_sent_is_never_repeated(world, body) -> None:
    secret = "4111111111111111"
    body["currency"] = body["customer_id"] = body["return_urls"]["success"] = secret * 5
    body["amount"] = int(secret)
    answer = await world.create(body)

    assert answer.status == 422
    assert secret not in answer.raw.decode()


async def test_a_flood_of_errors_is_cut(world, body) -> None:
    body["cart"]["items"] = [{} for _ in range(100)]
    answer = await world.create(body)

    answer.is_problem(422, "invalid-request")
    assert len(answer.json["errors"]) == 20


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        "Basic c2l0ZTpzaXRlLWtleS0x",
        "site-key-1",
        "Bearer клю\u0447",
        "Bearer \u00ff\u00fe",
        "Bearer " + "k" * 7_000,
        "Bearer site-key-1 site-key-1",
    ],
)
async def test_a_missing_or_wrong_api_key(world, body, authorization: str | None) -> None:
    answer = await world.create(body, Authorization=authorization)

    answer.is_problem(401, "unauthorized")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


async def test_two_authorization_headers_are_refused(world, body) -> None:
    headers = [*world.headers().items(), ("Authorization", "Bearer shop-key-1")]
    answer = await world.send("POST", "/v1/payments", headers, json.dumps(body).encode())

    answer.is_problem(401, "unauthorized")


@pytest.mark.parametrize(
    ("field", "spelled"),
    [
        ("amount", "1e2"), ("amount", "100.0"), ("amount", '"100"'), ("amount", "true"), ("amount", "NaN"),
        ("amount", "Infinity"), ("amount", "007"), ("amount", "-1"), ("amount", "null"), ("amount", "1000000000000000"),
        ("amount", "9" * 5_000), ("quantity", "1.5"), ("quantity", "1e0"),
    ],
)  # fmt: skip
async def test_a_number_is_an_integer_or_refused(world, body, field: str, spelled: str) -> None:
    del body["cart"]["items"][1]
    place = body if field == "amount" else body["cart"]["items"][0]
    place[field] = "NUMBER"
    answer = await world.create(json.dumps(body).replace('"NUMBER"', spelled))

    assert answer.status in (400, 422)
    assert answer.json["type"] in ("/problems/malformed-json", "/problems/invalid-request")


@pytest.mark.parametrize("key", [None, "", "with space", "ключ", "k" * 256])
async def test_a_missing_or_invalid_idempotency_key(world, body, key: str | None) -> None:
    (await world.create(body, Idempotency_Key=key)).is_problem(400, "invalid-idempotency-key")


async def test_two_idempotency_keys(world, body) -> None:
    headers = [*world.headers().items(), ("Idempotency-Key", "another")]
    answer = await world.send("POST", "/v1/payments", headers, json.dumps(body).encode())

    answer.is_problem(400, "invalid-idempotency-key")


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "application/xml"])
async def test_a_body_of_another_type(world, body, content_type: str) -> None:
    (await world.create(body, Content_Type=content_type)).is_problem(415, "unsupported-media-type")


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        ("/customer_id", "4111111111111111"),
        (f"{ITEM}/title", "Gift for 5555 5555 5555 4444"),
        ("/metadata/campaign", "\uff14111111111111111"),
        ("/metadata", {"4111-1111-1111-1111": ""}),
        ("/return_urls/success", "https://cinema.example/?pan=4111111111111111"),
        ("/amount", 4111111111111111),
        ("/unknown", [{"deep": "378282246310005"}]),
    ],
)
async def test_a_card_number_is_refused_wherever_it_stands(world, body, pointer: str, value: Any) -> None:
    _put(body, pointer, value)

    answer = await world.create(body)
    answer.is_problem(422, "card-number")
    at = {"/unknown": "/unknown/0/deep"}.get(pointer, pointer)
    assert answer.json["errors"] == [{"pointer": at, "detail": "Contains a card number"}]
    (await world.create(json.dumps(body, ensure_ascii=False))).is_problem(422, "card-number")


async def test_a_card_number_in_a_trade_code_is_refused(world, body) -> None:
    body["cart"]["items"][0]["product_id"] = "4222222222222"

    (await world.create(body)).is_problem(422, "card-number")


async def test_a_card_number_behind_escapes_is_refused(world, body) -> None:
    body["customer_id"] = "CARD"
    spelled = "".join(f"\\u{ord(digit):04x}" for digit in "4111111111111111")

    (await world.create(json.dumps(body).replace("CARD", spelled))).is_problem(422, "card-number")


async def test_a_card_number_outside_the_body_is_refused_and_never_given_back(world, body) -> None:
    card = "4111111111111111"
    (await world.create(body, Idempotency_Key=f"order-{card}")).is_problem(422, "card-number")
    auth = {"Authorization": world.headers()["Authorization"]}
    for query in (f"customer_id={card}", f"metadata[{card}]=1", f"limit={card}"):
        (await world.get(f"/v1/payments?{query}", **auth)).is_problem(422, "card-number")
    assert card not in (await world.get("/livez", **{"X-Request-Id": card})).headers["X-Request-Id"]


@pytest.mark.parametrize("levels", [17, 150])
async def test_json_nested_deeper_than_any_request_is_not_parsed(world, body, levels: int) -> None:
    nested = "[" * levels + "]" * levels
    answer = await world.create(json.dumps(body)[:-1] + f', "x": {nested}}}')

    answer.is_problem(400, "malformed-json")
    assert answer.json["detail"] == "nested deeper than 16 levels"


async def test_brackets_in_texts_are_not_levels(world, body) -> None:
    body["unknown"] = "[{" * 100 + '\\"'

    (await world.create(body)).is_problem(422, "invalid-request")
