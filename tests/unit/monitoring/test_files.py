"""The files that are made from the watch table are as it says, and ask for nothing that no process tells."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import msgspec
import pytest
import yaml
from typer.testing import CliRunner

from cli.monitoring import app, files
from cli.monitoring.declared import asked, undeclared
from monitoring.watch import TABLE, Dashboard, Severity, expression

ROOT = Path(__file__).parents[3]
PROMTOOL = shutil.which("promtool")


def test_every_file_is_as_the_table_says() -> None:
    assert files.stale() == []


def test_a_threshold_that_was_changed_in_the_table_alone_is_found() -> None:
    watched = next(one for one in TABLE if one.alerts)
    changed = msgspec.structs.replace(watched, alerts=(msgspec.structs.replace(watched.alerts[0], when="> 1"),))
    different = files.stale([changed if one is watched else one for one in TABLE])
    assert {path.name for path in different} == {"rules.yml", "operations.md"}


def test_a_metric_that_nobody_declares_is_found() -> None:
    watched = msgspec.structs.replace(TABLE[0], query="max by (provider) (books_unfinished_oldest_second)")
    assert ("Oldest unpaid payment", "books_unfinished_oldest_second") in set(undeclared([watched]))
    assert list(undeclared()) == []


def test_check_says_what_is_wrong(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert CliRunner().invoke(app, ["check"]).exit_code == 0
    monkeypatch.setattr(files, "RULES", tmp_path / "rules.yml")
    ran = CliRunner().invoke(app, ["check"])
    assert ran.exit_code == 1
    assert "rules.yml" in ran.stderr


@pytest.mark.parametrize(
    ("query", "metrics"),
    [
        (
            'sum by (provider) (rate(a_total{job="x", le=~"b|c"}[5m] offset 1d)) / on (provider) b_seconds > 5',
            {"a_total", "b_seconds"},
        ),
        ("(max(a) or vector(0)) == 0 and time() - b > 60", {"a", "b"}),
    ],
)
def test_the_metrics_of_a_query_are_told_from_its_words(query: str, metrics: set[str]) -> None:
    assert asked(query) == metrics


def test_every_alert_leads_to_its_row_and_links_lead_to_headings() -> None:
    document = files.OPERATIONS.read_text()
    rules = [rule for group in yaml.safe_load(files.RULES.read_text())["groups"] for rule in group["rules"]]
    for rule in rules:
        path, _, anchor = rule["annotations"]["runbook"].partition("#")
        assert (ROOT / path) == files.OPERATIONS
        assert document.count(f'<a id="{anchor}"></a>{rule["alert"]}') == 1
    rows = document.partition(files.runbook.BEGIN)[2].partition(files.runbook.END)[0]
    assert rows.count('<a id="alert-') == len(rules), "a row without a rule"
    headings = {
        re.sub(r"[^\w -]", "", line.lstrip("# ").lower()).replace(" ", "-")
        for line in document.splitlines()
        if line.startswith("#")
    }
    assert set(re.findall(r"\]\(#([^)]+)\)", rows)) <= headings


def test_an_alert_says_what_to_do() -> None:
    for watched in TABLE:
        for alert in watched.alerts:
            assert all(len(text) > 3 for text in (alert.notice, alert.look, alert.do)), alert.name
            assert alert.severity in Severity


def test_every_dashboard_has_panels_whose_queries_prometheus_understands(tmp_path: Path) -> None:
    queries = []
    for dashboard in Dashboard:
        panels = json.loads((files.DASHBOARDS / f"{dashboard}.json").read_text())["panels"]
        assert panels
        places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels]
        assert len(set(places)) == len(places)
        queries += [target["expr"] for panel in panels for target in panel["targets"]]
    queries += [expression(watched, alert) for watched in TABLE for alert in watched.alerts]
    rules = tmp_path / "rules.yml"
    recorded = [{"record": f"panel:{number}", "expr": query} for number, query in enumerate(queries)]
    rules.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": recorded}]}))
    assert PROMTOOL, "promtool is missing: make prometheus"
    ran = subprocess.run([PROMTOOL, "check", "rules", str(rules)], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize(
    ("program", "arguments"),
    [
        ("promtool", ["check", "config", "deploy/prometheus/prometheus.yml"]),
        ("amtool", ["check-config", "deploy/alertmanager/alertmanager.yml"]),
    ],
)
def test_the_programs_take_our_configuration(program: str, arguments: list[str]) -> None:
    path = shutil.which(program)
    assert path, f"{program} is missing: make prometheus"
    ran = subprocess.run([path, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_inhibitions_name_alerts_that_there_are() -> None:
    names = {alert.name for watched in TABLE for alert in watched.alerts}
    rules = yaml.safe_load((ROOT / "deploy" / "alertmanager" / "alertmanager.yml").read_text())["inhibit_rules"]
    for rule in rules:
        for matcher in (*rule["source_matchers"], *rule["target_matchers"]):
            assert set(re.search(r'"(.+)"', matcher)[1].split("|")) <= names  # type: ignore[index]
