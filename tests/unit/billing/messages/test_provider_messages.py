"""Messages to and from providers stay compatible with the releases before and after."""

import msgspec

from billing.messages import FollowUpOperation, ProviderRequest, ProviderResult
from billing.vocabulary import Outcome
from tests.support.factories import a_payment, opened

OF_THE_LAST_RELEASE = {"retryable": True, "method_ref": "method-1", "observed": {"occurred_at": "2026-11-23T12:00:00Z"}}


def test_a_result_of_the_last_release_is_understood_without_the_fields_that_are_gone():
    result = opened(a_payment(), outcome=Outcome.DECLINED, reason="insufficient_funds")
    fields = msgspec.to_builtins(result) | OF_THE_LAST_RELEASE
    read = msgspec.json.decode(msgspec.json.encode(fields), type=ProviderResult)
    assert (read.outcome, read.reason) == (Outcome.DECLINED, "insufficient_funds")


def test_a_reason_of_the_next_release_is_passed_on_unchanged():
    result = opened(a_payment(), outcome=Outcome.DECLINED, reason="a_reason_of_the_next_release")
    read = msgspec.json.decode(msgspec.json.encode(result), type=ProviderResult)
    assert read.reason == "a_reason_of_the_next_release"


def test_renamed_fields_keep_their_json_names():
    names = {field.name: field.encode_name for field in msgspec.structs.fields(ProviderRequest)}
    renamed = {name: encoded for name, encoded in names.items() if name != encoded}
    assert renamed == {"refunded_cart": "returned", "refundable_before": "kept", "open_refund_amounts": "under_way"}
    assert {f.encode_name for f in msgspec.structs.fields(FollowUpOperation)} >= {"operation_id", "chase"}
