# Everything a person types. `make` alone lists it.

.DEFAULT_GOAL := help
SHELL := /bin/bash

VENV := .venv
BILLING := $(VENV)/bin/billing
UV_VERSION := 0.13.9
PACKAGES := billing runtime storage providers ingest_api streams sinks reconciliation monitoring analytics backoffice admin cli deploy
PYTHON := $(shell deploy/local/choose-python.sh)

.PHONY: help
help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  \033[36m%-12s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(VENV)/.installed deploy/local/jars/.complete rabbitmq ## Install what the project needs into .venv (and RabbitMQ, where it can)

$(VENV)/.installed: requirements-dev.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 to 3.13 with venv is needed: install python3 and python3-venv"; exit 1; }
	@echo "installing Python packages into $(VENV) …"
	@test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@$(VENV)/bin/uv pip install --quiet --system-certs --python $(VENV) --require-hashes -r requirements-dev.lock
	@$(VENV)/bin/uv pip install --quiet --system-certs --python $(VENV) --no-deps -e .
	@# Else every process compiles what it imports at its start where PYTHONDONTWRITEBYTECODE is set: 2 s of CPU each.
	@env -u PYTHONDONTWRITEBYTECODE $(VENV)/bin/python -m compileall -q -j 0 $(VENV)/lib $(PACKAGES) >/dev/null || true
	@touch $@

deploy/local/jars/.complete: deploy/local/pom.xml | $(VENV)/.installed
	@if command -v java >/dev/null && command -v mvn >/dev/null; then \
		echo "fetching Apache Kafka with Maven …"; \
		$(VENV)/bin/python -c 'from deploy.local.kafka import fetch_jars; fetch_jars()'; \
	else echo "Java or Maven is missing: the local stack will use the in-memory Tansu broker"; fi

.PHONY: rabbitmq
rabbitmq:
	@test -n "$$BILLING_RABBITMQ_URL" || deploy/local/install-package.sh rabbitmq-server \
		/usr/lib/rabbitmq/bin/rabbitmq-server "set BILLING_RABBITMQ_URL to a running server"

.PHONY: chromium
chromium:
	@test -n "$$BILLING_TEST_CHROMIUM" || deploy/local/install-package.sh chromium \
		chromium "set BILLING_TEST_CHROMIUM to the browser's path: the tests open our pages in it"

.PHONY: prometheus
prometheus:
	@deploy/local/install-package.sh prometheus promtool "let the tests of the alerts fail"
	@deploy/local/install-package.sh prometheus-alertmanager amtool "let the tests of the alerts fail"

.PHONY: stripe-mock
stripe-mock: $(VENV)/.installed
	@$(VENV)/bin/python -m tests.contract.stripe_mock

.PHONY: demo
demo: setup ## Start everything, watch 200 customers buy, and 100 subscribers live a year
	@$(BILLING) demo

.PHONY: test
test: setup chromium stripe-mock prometheus ## Run all tests, on real servers
	@$(VENV)/bin/pytest -m "not compose and not long" --numprocesses 3 --dist loadgroup

.PHONY: compose-test
compose-test: setup ## Build the images and start docker-compose.yml with Podman, in a network of its own
	@for package in buildah podman runc catatonit iptables mmdebstrap; do \
		deploy/local/install-package.sh $$package $$package "let the test be skipped" || true; done
	@for program in netavark aardvark-dns; do \
		deploy/local/install-package.sh $$program /usr/lib/podman/$$program "let the test be skipped" || true; done
	@tests/compose/run.sh

.PHONY: long-test
long-test: setup ## Run the tests that take minutes of a whole machine: two years of 200 customers, a removed method
	@$(VENV)/bin/pytest -m long

.PHONY: upgrade-test
upgrade-test: setup ## Roll from the last release to this one and back, under load; wants the machine for itself
	@BILLING_UPGRADE_TEST=1 $(VENV)/bin/pytest tests/e2e/test_upgrade.py

.PHONY: check
check: lint stripe-mock prometheus ## Check style, types, layers, and run the unit and contract tests: no server needed
	@$(VENV)/bin/pytest --numprocesses 2 --dist loadgroup tests/unit tests/contract

.PHONY: bench
bench: setup ## Measure full payments per second beside what the machine can do at all
	@$(BILLING) bench

.PHONY: lint
lint: setup ## Check style, types and the arrows between folders
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports
	@$(BILLING) monitoring check

.PHONY: up
up: setup ## Start the local stack
	@$(BILLING) up

.PHONY: down
down: ## Stop the local stack
	@$(BILLING) down

.PHONY: status
status: ## Show what runs and where
	@$(BILLING) status

# One resolution: everything a developer installs. The other locks are parts of it, wheels only.
LOCK := UV_CUSTOM_COMPILE_COMMAND="make lock" $(VENV)/bin/uv pip compile --quiet --system-certs --universal --generate-hashes --no-emit-index-url
PART := $(LOCK) --no-build --constraint requirements-dev.lock --no-annotate
.PHONY: lock
lock: $(VENV)/.installed ## Resolve the dependencies anew into the requirements*.lock files
	@$(LOCK) --upgrade --all-extras --group pyproject.toml:dev pyproject.toml -o requirements-dev.lock
	@$(PART) pyproject.toml -o requirements.lock
	@$(PART) --extra local pyproject.toml -o requirements-local.lock
	@$(PART) --extra charts pyproject.toml -o requirements-charts.lock
	@$(PART) --group pyproject.toml:build -o requirements-build.lock

.PHONY: catalogue
catalogue: $(VENV)/.installed ## Bring the panel's translations up to date with its sentences
	@$(VENV)/bin/python -m admin.locale

.PHONY: image
image: ## Build the images cinema-billing and cinema-billing-admin (Docker, else Buildah)
	@deploy/build-images.sh

.PHONY: image-check
image-check: setup image ## Check the images: lint, size, what they can import; list their parts in dist/sbom.json
	@$(VENV)/bin/hadolint deploy/Dockerfile
	@deploy/check-images.sh
	@mkdir -p dist
	@$(VENV)/bin/cyclonedx-py requirements requirements-charts.lock --output-format JSON -o dist/sbom.json
	@echo "dist/sbom.json lists the packages"
