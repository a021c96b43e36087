"""What a log shows of an exchange with a provider."""

import pytest

from providers.exchanges import SHOWN, Exchange, masked
from runtime.logging.card_numbers import MASK


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b"", None),
        (b'{"Amount":500,"Token":"abc"}', {"Amount": 500, "Token": MASK}),
        (b'{"RebillId":1,"Pan":"430000******0777"}', {"RebillId": MASK, "Pan": MASK}),
        (b'{"parentOrderId":"1","orderId":"2"}', {"parentOrderId": MASK, "orderId": "2"}),
        (b'{"receipt":{"customer":{"email":"a@b.example"}}}', {"receipt": {"customer": MASK}}),
        (
            b'{"items":[{"title":"Solaris","note":"to a@b.example"}]}',
            {"items": [{"title": MASK, "note": f"to {MASK}"}]},
        ),
        (
            b'{"payment_method":{"id":"1"},"amount":{"value":"5.00"}}',
            {"payment_method": MASK, "amount": {"value": "5.00"}},
        ),
        (b"amount=500&customer=cus_1&payment_method=pm_1", {"amount": "500", "customer": MASK, "payment_method": MASK}),
        (
            b"items[0][product_data][name]=Solaris&items[0][price]=5",
            {"items[0][product_data][name]": MASK, "items[0][price]": "5"},
        ),
        (b"<h1>Bad Gateway</h1>", "<h1>Bad Gateway</h1>"),
        (b"call +7 900 123-45-67 or 4111111111111111", f"call {MASK} or {MASK}"),
    ],
)
def test_keys_people_and_methods_are_masked(body, shown):
    assert Exchange("POST /x", body).masked()["sent"] == shown


def test_a_long_body_is_cut_after_it_was_masked():
    body = b'{"email":"a@b.example","text":"%s"}' % (b"x" * SHOWN)
    shown = Exchange("POST /x", received=body).masked()["received"]
    assert len(shown) == SHOWN
    assert "a@b.example" not in shown


def test_without_an_answer_there_is_no_status():
    assert Exchange("GET /x").masked() == {"call": "GET /x", "sent": None, "status": None, "received": None}


def test_of_a_search_with_many_pages_the_last_are_shown_with_the_first_items_of_each():
    page = b'{"items": [' + b", ".join(b'{"id": "%d"}' % number for number in range(100)) + b"]}"
    shown = masked([Exchange(f"GET /list?{number}", status=200, received=page) for number in range(25)])
    assert shown[0] == {"earlier": 21}
    assert [one["call"] for one in shown[1:]] == [f"GET /list?{number}" for number in range(21, 25)]
    assert shown[-1]["received"] == {"items": [{"id": "0"}, {"id": "1"}, {"id": "2"}, "97 more"]}
