"""A provider is a folder and a line: the rest of the service knows it by its descriptor."""

import ast
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from providers.plugin import SandboxAddress
from providers.registry import PLUGINS
from providers.settings import environment

ROOT = Path(__file__).parents[3]
NAMES = ("yandex", "yookassa", "stripe", "tbank", "t-bank", "tinkoff")


def modules() -> list[str]:
    """Ours, outside the providers and the tests."""
    listed = subprocess.run(["git", "ls-files", "*.py"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [path for path in listed.splitlines() if not path.startswith(("providers/", "tests/"))]


def words(tree: ast.Module) -> Iterator[str]:
    """Every identifier and every string that is not a docstring."""
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=str() as text) if id(node) not in docstrings:
                yield text
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.alias(name=name) | ast.arg(arg=name):
                yield name
            case ast.ImportFrom(module=str() as name) | ast.keyword(arg=str() as name):
                yield name
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name


def test_nothing_outside_providers_names_one() -> None:
    found = {
        f"{path}: {word}"
        for path in modules()
        for word in words(ast.parse((ROOT / path).read_text()))
        if any(name in word.lower() for name in NAMES)
    }
    assert not found


@pytest.mark.parametrize("name", sorted(PLUGINS))
def test_what_ingest_reads_of_a_provider_is_a_part_of_its_settings(name: str) -> None:
    plugin = PLUGINS[name]
    part, whole = plugin.callback_settings, plugin.settings
    assert issubclass(whole, part)
    assert set(part.model_fields) < set(whole.model_fields)
    assert part.model_config["env_prefix"] == f"BILLING_{name.replace('-', '_').upper()}_"


@pytest.mark.parametrize(
    ("name", "keys"),
    [("yandex-pay", {"api_key"}), ("yookassa", {"secret_key"}), ("stripe", {"secret_key"}), ("tbank", set())],
)
def test_ingest_holds_no_key_that_moves_money_unless_one_signs_both_ways(name: str, keys: set[str]) -> None:
    assert keys.isdisjoint(PLUGINS[name].callback_settings.model_fields)


@pytest.mark.parametrize("name", sorted(PLUGINS))
def test_the_settings_for_the_sandbox_come_back_from_the_environment(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin = PLUGINS[name]
    settings = plugin.sandbox_settings(
        SandboxAddress("http://sandbox:8090", lambda which: f"secret of {which}", ["::1"])
    )
    for variable, value in environment(settings).items():
        monkeypatch.setenv(variable, value)
    assert plugin.settings() == settings
