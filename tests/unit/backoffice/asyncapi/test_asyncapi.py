"""The contract with other services: the committed files match the code, and breaking changes are detected."""

import copy
import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import jsonschema
import msgspec
import pytest
import yaml
from typer.testing import CliRunner

from backoffice.asyncapi.breaking import breaking
from backoffice.asyncapi.document import document, signal_schemas
from billing.messages import MESSAGE_TYPES
from billing.messages.catalogue import RAW_TOPICS, TOPIC_MESSAGES
from billing.messages.event_parts import Entitlement
from billing.messages.topics import TOPICS
from billing.signals import SIGNAL_BODIES, signals_for
from billing.vocabulary import PaymentStatus
from cli.asyncapi import DOCUMENT, files
from cli.main import app
from tests.support.event_factories import a_change, as_message

CHANGED = "billing.payment.changed.v1"


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for value in part.values():
            yield from references(value)
    elif isinstance(part, list):
        for value in part:
            yield from references(value)


def test_the_committed_files_are_what_the_code_writes() -> None:
    for path, text in files(document()).items():
        assert path.read_text("utf-8") == text, f"{path}: run `billing asyncapi`"


#: Parts that the document once had and no message ever did, or that nobody read: taken out on purpose.
TAKEN_OUT: Final = {
    *(f"billing.reply.v1.data.payment.{part}: removed"
      for part in ("previous_status", "entitlement", "lines", "postings", "call")),
    "billing.provider.result.v1.data.retryable: removed",
    "billing.provider.result.v1.data.method_ref: removed",
    "billing.provider.result.v1.data.observed.occurred_at: removed",
    "billing.provider.callback.v1.data.observed.occurred_at: removed",
}  # fmt: skip


def test_no_committed_version_is_broken() -> None:
    """Others may rely on any version that was ever committed: editing the document along with the code does
    not change that."""

    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], capture_output=True, text=True, check=True).stdout

    commits = git("log", "--format=%H", "--", str(DOCUMENT)).split()
    assert commits
    for commit in commits:
        found = breaking(yaml.safe_load(git("show", f"{commit}:{DOCUMENT}")), document())
        assert set(found) <= TAKEN_OUT, commit


def test_every_topic_message_and_signal_of_the_code_is_in_it() -> None:
    assert set(TOPIC_MESSAGES) | set(RAW_TOPICS) == set(TOPICS)
    messages = {message for found in TOPIC_MESSAGES.values() for message in found}
    assert sorted(message.TYPE for message in messages) == sorted(MESSAGE_TYPES)
    assert set(document()["channels"]) == {topic.name for topic in TOPICS} | set(SIGNAL_BODIES)


def test_every_reference_resolves() -> None:
    whole = document()
    for reference in references(whole):
        part = whole
        for name in reference.removeprefix("#/").split("/"):
            part = part[name]


def test_a_published_event_fits_its_schema() -> None:
    whole = document()
    change = a_change(entitlement=Entitlement(("film-1",), ()), previous_status=None)
    event = json.loads(as_message(change)[1])
    schema = {**whole["components"]["messages"][CHANGED]["payload"], "components": whole["components"]}

    jsonschema.validate(event, schema)
    event["data"]["captured"] = "59900"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(event, schema)


@pytest.mark.parametrize(
    ("previous", "status"),
    [
        (PaymentStatus.PENDING, PaymentStatus.CAPTURED),
        (PaymentStatus.PENDING, PaymentStatus.FAILED),
        (PaymentStatus.AUTHORIZED, PaymentStatus.VOIDED),
        (PaymentStatus.CAPTURED, PaymentStatus.REFUNDED),
    ],
)
def test_a_published_signal_fits_its_schema(previous: PaymentStatus, status: PaymentStatus) -> None:
    schemas = signal_schemas()
    signals = signals_for(a_change(status, previous_status=previous))

    assert signals
    for signal in signals:
        jsonschema.validate(json.loads(msgspec.json.encode(signal.body)), schemas[signal.routing_key])


def schema_of(whole: dict[str, Any], name: str = "PaymentChanged") -> dict[str, Any]:
    found: dict[str, Any] = whole["components"]["schemas"][name]
    return found


def remove_field(whole: dict[str, Any]) -> None:
    del schema_of(whole)["properties"]["reason"]


def retype_field(whole: dict[str, Any]) -> None:
    schema_of(whole)["properties"]["captured"] = {"type": "string"}


def retype_nested_field(whole: dict[str, Any]) -> None:
    schema_of(whole, "OperationView")["properties"]["amount"] = {"type": "number"}


def let_a_field_be_null(whole: dict[str, Any]) -> None:
    schema_of(whole)["properties"]["customer_id"] = {"anyOf": [{"type": "string"}, {"type": "null"}]}


def demand_a_field(whole: dict[str, Any]) -> None:
    schema_of(whole, "RefundPayment")["required"].append("amount")


def leave_a_field_out(whole: dict[str, Any]) -> None:
    schema_of(whole)["required"].remove("version")


def drop_an_enum_value(whole: dict[str, Any]) -> None:
    schema_of(whole, "PaymentStatus")["enum"].remove("VOIDED")


def drop_a_message(whole: dict[str, Any]) -> None:
    del whole["components"]["messages"]["billing.payment.refund.v1"]


def drop_a_signal(whole: dict[str, Any]) -> None:
    del whole["channels"]["auth.deny_access"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (remove_field, f"{CHANGED}.data.reason: removed"),
        (retype_field, f"{CHANGED}.data.captured: retyped from integer to string"),
        (retype_nested_field, f"{CHANGED}.data.operations[].amount: retyped from integer to number"),
        (let_a_field_be_null, f"{CHANGED}.data.customer_id: retyped from string to null or string"),
        (demand_a_field, "billing.payment.refund.v1.data.amount: newly required"),
        (leave_a_field_out, f"{CHANGED}.data.version: no longer required"),
        (drop_an_enum_value, f"{CHANGED}.data.status: no longer one of ['VOIDED']"),
        (drop_a_message, "message billing.payment.refund.v1 is removed"),
        (drop_a_signal, "channel auth.deny_access is removed"),
    ],
)
def test_each_breaking_change_is_reported(change: Callable[[dict[str, Any]], None], expected: str) -> None:
    new = document()
    change(new)

    assert expected in breaking(document(), new)


def test_a_new_optional_field_message_or_enum_value_is_compatible() -> None:
    new = document()
    schema_of(new)["properties"]["tip"] = {"type": "integer", "default": 0}
    schema_of(new, "PaymentStatus")["enum"].append("CHARGED_BACK")
    new["components"]["messages"]["billing.payment.changed.v2"] = copy.deepcopy(new["components"]["messages"][CHANGED])

    assert breaking(document(), new) == []


def test_the_command_writes_a_breaking_change_only_if_it_is_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    relied_on = document()
    schema_of(relied_on)["properties"]["gone"] = {"type": "string"}
    monkeypatch.chdir(tmp_path)
    DOCUMENT.parent.mkdir()
    DOCUMENT.write_text(yaml.safe_dump(relied_on), "utf-8")

    refused = CliRunner().invoke(app, ["asyncapi"])
    assert refused.exit_code == 1
    assert "billing.payment.changed.v1.data.gone: removed" in refused.output
    assert "gone" in DOCUMENT.read_text("utf-8")

    assert CliRunner().invoke(app, ["asyncapi", "--allow-breaking"]).exit_code == 0
    assert CliRunner().invoke(app, ["asyncapi", "--check"]).exit_code == 0
