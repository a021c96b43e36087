# Everything a person types. `make` alone lists it.

.DEFAULT_GOAL := help
SHELL := /bin/bash

VENV := .venv
BILLING := $(VENV)/bin/billing
UV_VERSION := 0.13.9
# The first of these that is a supported version and can make a virtual environment.
PYTHON := $(shell for p in python3.13 python3.12 python3.11 python3 /usr/bin/python3; do \
	$$p -c 'import sys, venv, ensurepip; sys.exit(not ((3, 11) <= sys.version_info < (3, 14)))' 2>/dev/null \
	&& { echo $$p; break; }; done)

.PHONY: help
help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  \033[36m%-9s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(VENV)/.installed deploy/local/jars/.complete rabbitmq ## Install what the project needs into .venv (and RabbitMQ, where it can)

$(VENV)/.installed: requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 to 3.13 with venv is needed: install python3 and python3-venv"; exit 1; }
	@echo "installing Python packages into $(VENV) …"
	@test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@$(VENV)/bin/uv pip install --quiet --system-certs --python $(VENV) --require-hashes -r requirements.lock
	@$(VENV)/bin/uv pip install --quiet --system-certs --python $(VENV) --no-deps -e .
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

.PHONY: demo
demo: setup ## Start everything and watch 200 customers buy
	@$(BILLING) demo

.PHONY: test
test: setup chromium ## Run all tests, on real servers
	@$(VENV)/bin/pytest --numprocesses 2 --dist loadgroup

.PHONY: bench
bench: setup ## Measure full payments per second beside what the machine can do at all
	@$(BILLING) bench

.PHONY: lint
lint: setup ## Check style, types and the arrows between folders
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports

.PHONY: up
up: setup ## Start the local stack
	@$(BILLING) up

.PHONY: down
down: ## Stop the local stack
	@$(BILLING) down

.PHONY: status
status: ## Show what runs and where
	@$(BILLING) status

.PHONY: lock
lock: $(VENV)/.installed ## Resolve the dependencies anew into requirements.lock
	@$(VENV)/bin/uv pip compile --quiet --system-certs --universal --upgrade --generate-hashes --no-emit-index-url \
		--group pyproject.toml:dev pyproject.toml -o requirements.lock
