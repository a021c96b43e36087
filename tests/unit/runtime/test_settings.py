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


OIDC = {
    "admin_url": "https://admin.cinema.example",
    "admin_oidc_issuer": "https://sso.cinema.example",
    "admin_oidc_client_id": "billing",
    "admin_oidc_client_secret": "secret",
}


def test_an_openid_provider_leaves_passwords_to_those_who_are_named() -> None:
    assert Settings().with_password is None
    assert Settings(**OIDC).with_password == frozenset()
    assert Settings(**OIDC, admin_break_glass=["Olga@Cinema.Example "]).with_password == {"olga@cinema.example"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"admin_oidc_client_id": ""}, "_CLIENT_ID and _CLIENT_SECRET"),
        ({"admin_oidc_client_secret": ""}, "_CLIENT_ID and _CLIENT_SECRET"),
        ({"admin_oidc_issuer": "http://sso.cinema.example"}, "ADMIN_OIDC_ISSUER.*https"),
        ({"admin_url": ""}, "ADMIN_URL.*https"),
        ({"admin_url": "http://admin.cinema.example"}, "ADMIN_URL.*https"),
        ({"admin_oidc_scope": "email"}, "no 'openid'"),
        ({"admin_oidc_role_claim": "groups"}, "set together"),
        ({"admin_oidc_roles": {"staff": "viewer"}}, "set together"),
        ({"admin_oidc_role_claim": "groups", "admin_oidc_roles": {"staff": "owner"}}, "viewer"),
    ],
)
def test_an_openid_provider_is_set_up_as_a_whole(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Settings(**(OIDC | changes))


@pytest.mark.parametrize("key", ["", "short", "é", "A" * 44])
def test_a_key_that_is_none_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Settings(admin_secret_keys=[key])
