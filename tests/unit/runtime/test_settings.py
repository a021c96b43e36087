import inspect
from collections import Counter
from collections.abc import Iterator

import pytest

from runtime.settings import ComponentSettings, KafkaSettings, PostgresSettings, Settings


def subclasses(parent: type[ComponentSettings]) -> Iterator[type[ComponentSettings]]:
    for child in parent.__subclasses__():
        if child.__module__.startswith("runtime.settings"):
            yield child
            yield from subclasses(child)


COMPONENTS = frozenset(subclasses(ComponentSettings))


def test_a_setting_is_declared_by_one_component_only() -> None:
    declared = Counter(name for component in COMPONENTS for name in inspect.get_annotations(component))
    assert {name for name, times in declared.items() if times > 1} == set()


def test_the_settings_are_those_of_all_components() -> None:
    assert {name for component in COMPONENTS for name in component.model_fields} == set(Settings.model_fields)


def test_a_component_reads_the_same_variables_as_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BILLING_KAFKA_URL", "broker:9092")
    monkeypatch.setenv("BILLING_POSTGRES_URL", "postgresql://database/billing")
    settings = Settings()
    assert settings.kafka_url == KafkaSettings().kafka_url == "broker:9092"
    assert settings.postgres_url == PostgresSettings().postgres_url == "postgresql://database/billing"
    assert "postgres_url" not in KafkaSettings.model_fields
