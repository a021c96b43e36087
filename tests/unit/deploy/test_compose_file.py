"""docker-compose.yml names what exists: our commands, our settings, services that can become healthy."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from cli import run
from deploy import compose_secrets
from providers import registry
from providers.plugin import SandboxAddress
from providers.registry import PLUGINS
from providers.settings import ProviderSettings, environment
from runtime.settings import Settings

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docker-compose.yml").read_text()
FILE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = FILE["services"]
#: Run once, and end.
ONCE = ("secrets", "migrate")
OURS = [name for name, service in SERVICES.items() if "build" in service and name != "secrets"]
SERVERS = ["postgres", "kafka", "rabbitmq", "clickhouse"]
ENV_EXAMPLE = (ROOT / "deploy" / ".env.example").read_text().splitlines()
#: Variable → what it is where neither the shell nor .env has it. The file without its comments: those show how a shell
#: fills a variable.
DEFAULTS: dict[str, str] = dict(re.findall(r"\$\{(\w+):?-([^}]*)\}", re.sub(r"(?m)^#.*$", "", TEXT)))
#: Secrets of providers: without a value here, they come from files that the first run makes.
FROM_FILES = set(compose_secrets.sandbox_secrets())
#: Those that containers have addresses in.
NETWORKS = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")


def test_every_process_of_the_service_runs_in_it():
    commands = {command.callback.__name__ for command in run.app.registered_commands if command.callback}
    started = {SERVICES[name]["command"][1] for name in OURS if SERVICES[name]["command"][0] == "run"}
    assert started == commands - {"clickhouse"}, "ClickHouse is a server of its own here"
    assert SERVICES["migrate"]["command"] == ["migrate"]


@pytest.mark.parametrize("name", OURS)
def test_our_settings_are_settings(name):
    fields = {f"BILLING_{field.upper()}" for field in Settings.model_fields}
    for plugin in PLUGINS.values():
        prefix = plugin.settings.model_config["env_prefix"]
        fields |= {f"{prefix}{field}".upper() for field in plugin.settings.model_fields}
    assert {key for key in SERVICES[name]["environment"] if key.startswith("BILLING_")} <= fields


def variables(settings: Iterable[type[ProviderSettings]]) -> set[str]:
    """The environment variables of these settings."""
    return {f"{each.model_config.get('env_prefix')}{field}".upper() for each in settings for field in each.model_fields}


CALLBACKS = variables(plugin.callback_settings for plugin in PLUGINS.values())
CALLS = variables(plugin.settings for plugin in PLUGINS.values())
MAY_READ = {
    "ingest": CALLBACKS,
    "worker": CALLS,
    "scheduler": CALLS,
    "sandbox": CALLS,
    "admin": {variable for variable in CALLS if variable.endswith("_SETTLEMENT")},
}


@pytest.mark.parametrize("name", [*OURS, "secrets"])
def test_a_service_gets_the_settings_of_providers_that_it_needs_and_no_more(name):
    given = set(SERVICES[name]["environment"]) & CALLS
    secrets = {variable for variable in CALLS if variable.endswith(("KEY", "PASSWORD", "SECRETS", "ADDRESSES"))}
    allowed = MAY_READ.get(name, set())
    assert given <= allowed
    assert allowed & secrets <= given


@pytest.mark.parametrize("name", sorted(PLUGINS))
def test_a_provider_is_the_sandbox_as_its_descriptor_says(name):
    address = SandboxAddress("http://sandbox:8090", lambda _name: "sandbox", NETWORKS)
    expected = environment(PLUGINS[name].sandbox_settings(address))
    assert {key: DEFAULTS[key] for key in expected if key not in FROM_FILES} == {
        key: value for key, value in expected.items() if key not in FROM_FILES
    }


@pytest.mark.parametrize("name", OURS)
def test_addresses_lead_to_services(name):
    environment = SERVICES[name]["environment"]
    assert environment["BILLING_KAFKA_URL"].partition(":")[0] in SERVICES
    for key in ("INGEST", "SANDBOX"):
        assert urlsplit(environment[f"BILLING_{key}_URL"]).hostname in SERVICES


@pytest.mark.parametrize("name", sorted(set(SERVICES) - set(ONCE)))
def test_every_service_says_whether_it_is_healthy(name):
    assert SERVICES[name]["healthcheck"]["test"]


def test_our_processes_wait_for_the_migrations_and_those_for_the_servers():
    after = {"migrate": {"condition": "service_completed_successfully"}}
    assert all(SERVICES[name]["depends_on"] == after for name in OURS if name not in ("migrate", "sandbox"))
    assert SERVICES["migrate"]["depends_on"] == {name: {"condition": "service_healthy"} for name in SERVERS}
    assert all(
        SERVICES[name]["depends_on"] == {"secrets": {"condition": "service_completed_successfully"}}
        for name in SERVERS
        if any("/run/secrets" in volume for volume in SERVICES[name]["volumes"])
    )


@pytest.mark.parametrize("name", SERVERS)
def test_servers_keep_their_data_in_volumes_and_a_chosen_version(name):
    volume, *files = SERVICES[name]["volumes"]
    assert volume.partition(":")[0] in FILE["volumes"]
    for file in files:  # of ours, read and never written
        path, _, rest = file.partition(":")
        assert path in FILE["volumes"] or (ROOT / path).is_file()
        assert rest.endswith(":ro")
    assert SERVICES[name]["image"].partition(":")[2] not in ("", "latest")


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_ports_are_open_on_this_machine_only(name):
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", []))


@pytest.mark.parametrize("name", [*OURS, "secrets", "proxy"])
def test_what_we_run_has_a_read_only_root_and_no_privileges(name):
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["mem_limit"]
    assert "cap_add" not in service
    assert "privileged" not in service


def test_our_processes_get_time_to_finish_and_one_folder_to_write_to():
    assert {SERVICES[name]["stop_grace_period"] for name in OURS} == {"45s"}
    assert {tuple(SERVICES[name]["tmpfs"]) for name in OURS} == {("/tmp:size=64m,mode=1777",)}


def test_only_the_service_that_makes_secrets_may_write_them_and_it_has_no_network():
    assert SERVICES["secrets"]["network_mode"] == "none"
    assert SERVICES["secrets"]["entrypoint"][1:3] == ["-m", "deploy.compose_secrets"]
    for name in set(SERVICES) - {"secrets"}:
        mounts = [volume for volume in SERVICES[name].get("volumes", []) if volume.startswith("secrets-")]
        assert all(mount.endswith(":/run/secrets:ro") for mount in mounts)
        assert len(mounts) <= 1, "each sees its own"
    assert SERVICES["sandbox"]["volumes"] == ["secrets-sandbox:/run/secrets:ro"], "no server's, and not our own"


def test_no_secret_has_a_value_here():
    suspicious = re.findall(r"(?im)^\s*(\w*(?:password|secret|token|_key)\w*): ([^\s#{].*)$", TEXT)
    assert {value for _, value in suspicious} <= {
        "/run/secrets/password",
        "${BILLING_TBANK_TERMINAL_KEY-1700000000000DEMO}",  # names a terminal: its password is the secret
    }
    assert {name for name, value in SERVICES["worker"]["environment"].items() if value is None} >= FROM_FILES
    assert not re.search(r"\w+://\w+:[^/@\s]+@", TEXT), "a password in an address"


def test_what_is_scaled_has_no_port_of_this_machine():
    assert not any("ports" in SERVICES[name] for name in ("ingest", "worker"))


@pytest.mark.parametrize("name", ["ingest", "worker", "signals", "analytics", "scheduler", "monitor", "admin"])
def test_metrics_are_read_at_a_port_that_is_not_published(name):
    port = SERVICES[name]["environment"]["BILLING_METRICS_PORT"]
    assert port in SERVICES[name]["expose"]
    assert not any(published.endswith(f":{port}") for published in SERVICES[name].get("ports", []))


def test_prometheus_reads_every_process_of_ours():
    config = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text())
    read = {
        name: job["dns_sd_configs"][0] for job in config["scrape_configs"] for name in job["dns_sd_configs"][0]["names"]
    }
    assert read.keys() == set(OURS) - {"sandbox", "migrate"}
    assert all(str(found["port"]) in SERVICES[name]["expose"] for name, found in read.items())
    assert config["rule_files"] == ["rules.yml"]


def test_the_profile_of_monitoring_is_wired_and_does_not_start_by_itself():
    parts = {name for name, service in SERVICES.items() if service.get("profiles") == ["monitoring"]}
    assert parts == {"prometheus", "alertmanager", "grafana"}
    prometheus = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text())
    (target,) = prometheus["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"]
    provisioning = ROOT / "deploy" / "grafana" / "provisioning"
    source = yaml.safe_load((provisioning / "datasources" / "prometheus.yml").read_text())["datasources"][0]
    (provider,) = yaml.safe_load((provisioning / "dashboards" / "billing.yml").read_text())["providers"]
    for address in (f"http://{target}", source["url"]):
        host, port = urlsplit(address).hostname, urlsplit(address).port
        assert SERVICES[str(host)]["ports"] == [f"127.0.0.1:{port}:{port}"]
    assert f"./deploy/grafana/dashboards:{provider['options']['path']}:ro" in SERVICES["grafana"]["volumes"]


def test_postgres_is_durable():
    assert {"fsync=on", "synchronous_commit=on"} <= set(SERVICES["postgres"]["command"])


def test_the_example_of_env_holds_what_compose_reads():
    example = dict(line.split("=", 1) for line in ENV_EXAMPLE if line and not line.startswith("#"))
    assert example.keys() == DEFAULTS.keys() | FROM_FILES


def test_the_example_of_env_is_of_real_providers_none_of_which_is_set_up(monkeypatch):
    for line in ENV_EXAMPLE:
        if line and not line.startswith("#"):
            monkeypatch.setenv(*line.split("=", 1))
    for settings in (*registry.read_settings().values(), *registry.read_callback_settings().values()):
        assert urlsplit(settings.url).hostname in settings.REAL_HOSTS
        assert not settings.is_set_up


def test_secrets_reach_neither_git_nor_the_image():
    assert ".env" in (ROOT / ".gitignore").read_text().splitlines()
    assert (ROOT / ".dockerignore").read_text().splitlines()[-1] == "**/.env", "the last rule that fits decides"


def test_images_are_named_without_a_registry():
    images = [service["image"] for service in SERVICES.values()]
    assert not [image for image in images if "/" in image and "." in image.partition("/")[0]]
