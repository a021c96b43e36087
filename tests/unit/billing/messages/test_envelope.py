import pytest

from billing.errors import InvalidMessage
from billing.messages import MESSAGE_TYPES, Envelope, decode_envelope
from billing.messages.catalogue import BASELINE_TYPES
from tests.support.factories import NOW, a_create


def wrapped() -> Envelope:
    message = a_create()
    return Envelope.wrap(message, id="1", source="/test", subject=str(message.payment_id), time=NOW)


def test_a_message_survives_the_journey():
    envelope = wrapped()
    assert decode_envelope(envelope.encode()).open() == envelope.open()


def test_an_envelope_is_a_cloud_event():
    envelope = decode_envelope(wrapped().encode())
    assert (envelope.specversion, envelope.type) == ("1.0", "billing.payment.create.v1")


@pytest.mark.parametrize("raw", [b"", b"{}", b"null", b"\xff", b'{"specversion":"1.0"}'])
def test_bytes_that_are_no_event_are_refused(raw):
    with pytest.raises(InvalidMessage):
        decode_envelope(raw)


def test_a_type_from_the_future_is_refused_by_name():
    raw = wrapped().encode().replace(b"billing.payment.create.v1", b"billing.payment.create.v9")
    with pytest.raises(InvalidMessage, match="create.v9"):
        decode_envelope(raw).open()


def test_data_that_does_not_fit_its_type_is_refused():
    raw = wrapped().encode().replace(b'"amount":59900', b'"amount":"59900"')
    with pytest.raises(InvalidMessage, match="amount"):
        decode_envelope(raw).open()


def test_types_of_the_last_release_can_still_be_read() -> None:
    assert set(MESSAGE_TYPES) >= BASELINE_TYPES
