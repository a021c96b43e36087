"""The AsyncAPI 3 document of every Kafka topic and RabbitMQ signal, generated from the message types."""

import inspect
from typing import Any, Final

import msgspec

from billing.messages import Envelope
from billing.messages.catalogue import RAW_TOPICS, TOPIC_MESSAGES
from billing.messages.topics import CALLBACKS, INBOX, Topic
from billing.signals import SIGNAL_BODIES, signal_type
from sinks.rabbitmq.publisher import SIGNALS

#: Version of the document: raised with every change, the major number with a breaking one.
VERSION: Final = "1.0.0"
_REF: Final = "#/components/schemas/{name}"
_READ_BY_BILLING: Final = (INBOX, CALLBACKS)

Json = dict[str, Any]


def document() -> Json:
    """The document, ready for YAML."""
    messages = [message for found in TOPIC_MESSAGES.values() for message in found]
    bodies = list(dict.fromkeys(SIGNAL_BODIES.values()))
    _, schemas = msgspec.json.schema_components([Envelope, *messages, *bodies], ref_template=_REF)
    topics = [*TOPIC_MESSAGES, *RAW_TOPICS]
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Billing",
            "version": VERSION,
            "description": "What billing reads and writes on Kafka, and the signals it sends over RabbitMQ. "
            "Written by `billing asyncapi` from the code.",
        },
        "defaultContentType": "application/json",
        "servers": {
            "kafka": {"host": "kafka:9092", "protocol": "kafka"},
            "rabbitmq": {"host": "rabbitmq:5672", "protocol": "amqp"},
        },
        "channels": {t.name: _topic(t) for t in topics} | {key: _signal_channel(key) for key in SIGNAL_BODIES},
        "operations": {f"{_verb(t)}.{t.name}": _operation(_verb(t), t.name) for t in topics}
        | {f"send.{key}": _operation("send", key) for key in SIGNAL_BODIES},
        "components": {
            "messages": {m.TYPE: _kafka_message(m.TYPE, m.__name__, m.__doc__) for m in messages}
            | {_raw_name(t): _raw_message(t, headers) for t, headers in RAW_TOPICS.items()}
            | {key: _signal(key, body) for key, body in SIGNAL_BODIES.items()},
            "schemas": {name: _clean(schema) for name, schema in sorted(schemas.items())},
        },
    }


def signal_schemas() -> dict[str, Json]:
    """Routing key → the self-contained JSON Schema (2020-12) of the body."""
    return {
        key: {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": signal_type(key),
            **_clean(msgspec.json.schema(body)),
        }
        for key, body in SIGNAL_BODIES.items()
    }


def _topic(topic: Topic) -> Json:
    names = [m.TYPE for m in TOPIC_MESSAGES[topic]] if topic in TOPIC_MESSAGES else [_raw_name(topic)]
    return {
        "address": topic.name,
        "description": f"Carries {topic.carries}; keyed by the {topic.key}.",
        "servers": [{"$ref": "#/servers/kafka"}],
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
        "bindings": {
            "kafka": {"topicConfiguration": {"retention.ms": topic.retention_ms}, "bindingVersion": "0.5.0"},
        },
    }


def _signal_channel(key: str) -> Json:
    queue = next(name for name, pattern in SIGNALS.queues.items() if key.startswith(pattern.removesuffix("*")))
    return {
        "address": key,
        "description": f"Delivered to the quorum queue {queue}; what its consumer gives back for good, to {queue}.dead.",
        "servers": [{"$ref": "#/servers/rabbitmq"}],
        "messages": {key: {"$ref": f"#/components/messages/{key}"}},
        "bindings": {
            "amqp": {
                "is": "routingKey",
                "exchange": {"name": SIGNALS.exchange, "type": "topic", "durable": True, "autoDelete": False},
                "bindingVersion": "0.3.0",
            },
        },
    }


def _verb(topic: Topic) -> str:
    return "receive" if topic in _READ_BY_BILLING else "send"


def _operation(action: str, channel: str) -> Json:
    return {"action": action, "channel": {"$ref": f"#/channels/{channel}"}}


def _kafka_message(type: str, title: str, meaning: str | None) -> Json:
    envelope, data = ({"$ref": _REF.format(name=name)} for name in (Envelope.__name__, title))
    return {
        "name": type,
        "title": title,
        "summary": inspect.cleandoc(meaning or ""),
        "contentType": "application/cloudevents+json",
        "payload": {
            "allOf": [envelope, {"type": "object", "properties": {"type": {"const": type}, "data": data}}],
        },
    }


def _raw_name(topic: Topic) -> str:
    return f"{topic.name}.raw"


def _raw_message(topic: Topic, headers: tuple[str, ...]) -> Json:
    return {
        "name": _raw_name(topic),
        "title": topic.carries,
        "contentType": "application/octet-stream",
        "headers": {
            "type": "object",
            "properties": {name: {"type": "string"} for name in headers},
            "required": list(headers),
        },
        "payload": {},
    }


def _signal(key: str, body: type[Any]) -> Json:
    return {
        "name": signal_type(key),
        "title": key,
        "summary": inspect.cleandoc(body.__doc__ or ""),
        "contentType": "application/json",
        "headers": {"type": "object", "properties": {"traceparent": {"type": "string"}}},
        "payload": {"$ref": _REF.format(name=body.__name__)},
        "bindings": {"amqp": {"messageType": signal_type(key), "bindingVersion": "0.3.0"}},
    }


def _clean(schema: Any) -> Any:
    """Dedent the docstrings that became descriptions."""
    if isinstance(schema, dict):
        return {
            key: inspect.cleandoc(value) if key == "description" and isinstance(value, str) else _clean(value)
            for key, value in schema.items()
        }
    return [_clean(part) for part in schema] if isinstance(schema, list) else schema
