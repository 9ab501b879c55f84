# Needs Python >= 3.11 and make; `make e2e` also Docker, kind and kubectl. `make help` lists the targets.
PYTHON ?= python3
VENV := .venv
# checkov has an environment of its own: it pins what it needs to old releases.
SCAN := .venv-scan
PIP_OPTIONS := install --quiet --disable-pip-version-check --require-hashes
PIP_INSTALL = $(@D)/bin/pip $(PIP_OPTIONS)
UV_COMPILE = UV_CUSTOM_COMPILE_COMMAND="make lock" $(VENV)/bin/uv pip compile --quiet $(UPGRADE) \
	--universal --generate-hashes --python-version 3.11
VERSION = $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' service/version.py)
REVISION = $(shell git rev-parse HEAD 2>/dev/null)
IMAGE ?= hellopod:$(VERSION)
REQUIREMENTS ?= requirements.txt
UP_PORT ?= 8080
SBOM ?= sbom.cdx.json
SEED ?= $(shell date +%s)

.DEFAULT_GOAL := help
.PHONY: help run dev test test-all coverage fuzz check fix up load logs down e2e e2e-load e2e-rest e2e-full image manifests sbom audit tune lock lock-upgrade clean

help: ## List the targets
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

run: $(VENV)/runtime ## Serve on http://localhost:8000, configured as in the container
	@PATH="$(CURDIR)/$(VENV)/bin:$$PATH" exec python -m service

# As in the image for skaffold dev (Dockerfile): a restart does not wait for requests under way.
dev: $(VENV)/reload ## The same, started anew at each file of service/ that is saved
	@PATH="$(CURDIR)/$(VENV)/bin:$$PATH" GRACEFUL_TIMEOUT="$${GRACEFUL_TIMEOUT:-1}" \
		exec watchfiles "python -m service" service

# The folders decide what runs where. One file of tests/process shows that the real thing starts.
QUICK := tests/service tests/runtime tests/http1 tests/manifests tests/process/test_gunicorn_conf.py
# CI sets this variable. There the time is a promise, and later runs would miss it little by little.
LIMIT := $(if $(CI),timeout 180)
# A fork without the page has no tests of it.
SLOW := tests/process tests/fuzz $(wildcard tests/browser) tests/commands tests/documents
# begin: leaves with make rename
SLOW += tests/repository benchmarks/tests
# end: leaves with make rename
# One more than cores, and two for real processes: these mostly wait.
QUICKLY := --numprocesses $(shell expr 1 + $$(getconf _NPROCESSORS_ONLN)) --dist worksteal
PARALLEL := --numprocesses $(shell expr 2 + $$(getconf _NPROCESSORS_ONLN)) --dist worksteal

# From Python 3.12 on it costs nothing to know which lines run (PEP 669). For a selection nobody asks.
MONITORS = 'import sys; print("yes" if sys.version_info >= (3, 12) else "")'
MONITORED = $(shell $(VENV)/bin/python -c $(MONITORS))
COVERED = $(if $(PYTEST),,$(MONITORED))

test: $(VENV)/dev ## Test service, runtime and manifests (2 minutes on two cores)
	@rm -f $(SELECTED)
	$(LIMIT) $(if $(COVERED),env COVERAGE_CORE=sysmon )$(VENV)/bin/pytest $(QUICKLY) $(QUICK) \
		$(if $(COVERED),--cov=service --cov-report=term:skip-covered) $(PYTEST) $(NONE_HERE)

# A selection may name no test of one folder. Then pytest ends with 5, and another folder has it: a
# run that had one leaves the file SELECTED.
SELECTED := $(VENV)/selected
test-all: NONE_HERE = $(if $(PYTEST),&& touch $(SELECTED) || test $$? -eq 5)

# What takes real time is last and alone, so that only the machine can disturb it.
test-all: test ## Run every test that needs no cluster: real processes, load, fuzzing, browser, documents
	$(VENV)/bin/pytest $(PARALLEL) $(SLOW) --ignore tests/process/test_gunicorn_conf.py \
		$(PYTEST) $(NONE_HERE)
	$(VENV)/bin/pytest tests/timing $(PYTEST) $(NONE_HERE)
	$(if $(PYTEST),@rm $(SELECTED) 2>/dev/null || { echo "test-all: no test was selected" >&2; exit 1; })

# On Python 3.11 it costs more than half as much CPU again, so there `make test` does not do it.
coverage: $(VENV)/dev ## Print which lines of service/ no quick test runs (service/runtime left out)
	$(if $(MONITORED),env COVERAGE_CORE=sysmon )$(VENV)/bin/pytest $(QUICKLY) $(QUICK) \
		--cov=service --cov-report=term-missing:skip-covered $(PYTEST)

fuzz: $(VENV)/dev ## Fuzz for long: routes, bytes, settings (make test-all does so for a minute)
	$(VENV)/bin/pytest tests/fuzz --fuzz $(SEED) --capture=no $(PYTEST)

# checkov is last: to install it takes minutes, and what the others find is told before.
check: $(VENV)/dev ## Check format, lint, types, and the policy of workflows, manifests and Dockerfile
	$(VENV)/bin/ruff format --check --quiet .
	$(VENV)/bin/ruff check --quiet .
	$(VENV)/bin/mypy
	$(VENV)/bin/zizmor --offline --quiet --pedantic .github
	@$(MAKE) --no-print-directory $(SCAN)/found

# No file has this name, so it runs each time.
$(SCAN)/found: $(SCAN)/scan
	@$(VENV)/bin/python -m local.scan $(SCAN)/bin/checkov

fix: $(VENV)/dev ## Format, and mend what the linter can
	$(VENV)/bin/ruff check --quiet --fix --exit-zero .
	$(VENV)/bin/ruff format --quiet .

up: ## Run the service, as it stands, on a kind cluster: http://localhost:8080
	@UP_PORT=$(UP_PORT) $(PYTHON) -m local.cluster up

# By the environment, and as it was typed: no shell reads it, and make leaves a dollar alone.
tune load: override export BODY := $(value BODY)
tune load: override export BODY_FILE := $(value BODY_FILE)
tune load: override export TYPE := $(value TYPE)
tune load: override export METHOD := $(value METHOD)
tune load: override export URL := $(value URL)
load: ## Load it for two minutes and watch pods: make load URL=/api/orders BODY='{"pieces": 3}' (METHOD, BODY_FILE, TYPE)
	@$(PYTHON) -m local.cluster load

logs: ## Follow the logs of all its pods
	@$(PYTHON) -m local.cluster logs

down: ## Remove that cluster
	@$(PYTHON) -m local.cluster down

# These have clusters of their own. Not beside that of the rest: a node takes some of the inotify
# instances of the whole machine.
APART := tests/e2e/test_up.py tests/e2e/test_addresses.py
NOT_APART := $(addprefix --ignore=,$(APART))
# Most tests wait, so two clusters at once take two thirds of the time. These offer load, and share a
# cluster, so that none of them disturbs another. test_chain offers little, but builds an image and
# hands it to the nodes, which would disturb them. They take longer than the rest. Those that suffer
# most from neighbours come last: by then mostly nothing runs beside them.
LOADING := $(wildcard $(addprefix tests/e2e/test_,$(addsuffix .py,\
	alerts autoscaling chain chaos connections instances liveness overload proxies scraping zero_loss)))
# Six nodes may take more than the usual 128 inotify instances:
# https://kind.sigs.k8s.io/docs/user/known-issues/
CLUSTERS := $(shell test "$$(getconf _NPROCESSORS_ONLN)" -ge 2 && \
	test "$$(cat /proc/sys/fs/inotify/max_user_instances 2>&1)" -ge 512 2>/dev/null && echo 2 || echo 1)
RESULTS ?= docs/e2e-full.txt

# What runs beside the other leaves its lines in a file until its end. Between them nobody could
# read either.
LATER_E2E := $(VENV)/e2e-rest.txt

e2e: $(VENV)/dev ## Prove the promises on kind clusters of its own
ifneq ($(PYTEST),)
	$(VENV)/bin/pytest tests/e2e $(NOT_APART) $(PYTEST)
else ifeq ($(CLUSTERS),2)
	@$(MAKE) --no-print-directory --jobs 2 e2e-rest e2e-load LATER=$(LATER_E2E)
else
	$(VENV)/bin/pytest $(APART)
	$(VENV)/bin/pytest tests/e2e $(NOT_APART)
endif

e2e-load: $(VENV)/dev ## Run the tests of e2e that offer load
	$(VENV)/bin/pytest $(LOADING) $(PYTEST)

e2e-rest: $(VENV)/dev ## Run the other tests of e2e
	$(if $(LATER),@echo "the lines of e2e-rest come at its end; until then: tail -f $(LATER)"; \
		exec 3>&1 >$(LATER) 2>&1; trap 'cat $(LATER) >&3' EXIT; trap 'exit 130' INT TERM;) \
		$(VENV)/bin/pytest $(APART) $(PYTEST) && \
		$(VENV)/bin/pytest tests/e2e --cluster-name hellopod-e2e-rest $(NOT_APART) \
		$(addprefix --ignore=,$(LOADING)) $(PYTEST)

e2e-full: $(VENV)/dev ## The same at full length: load of minutes, each event three times
	HELLOPOD_E2E_FULL=1 $(VENV)/bin/pytest tests/e2e $(NOT_APART) --results $(RESULTS) $(PYTEST)

image: ## Build the image
	docker build --tag $(IMAGE) $(addprefix --build-arg PYTHON_IMAGE=,$(PYTHON_IMAGE)) \
		--build-arg REQUIREMENTS=$(REQUIREMENTS) \
		--build-arg VERSION=$(VERSION) --build-arg REVISION=$(REVISION) .

manifests: ## Print the whole deployment of IMAGE, as a release has it
	@rendered=$$(kubectl kustomize .) && \
		printf '%s\n' "$$rendered" | sed 's|image: hellopod:.*|image: $(IMAGE)|'

# In an environment that holds what the image's does, and nothing else.
sbom: $(VENV)/dev ## Write what the service is made of to sbom.cdx.json (CycloneDX)
	@rm -rf $(VENV)/sbom
	@$(PYTHON) -m venv --without-pip $(VENV)/sbom
	@$(VENV)/bin/pip --python $(VENV)/sbom/bin/python $(PIP_OPTIONS) --requirement $(REQUIREMENTS)
	@sed 's/^dynamic = .*/version = "$(VERSION)"/' pyproject.toml > $(VENV)/sbom/pyproject.toml
	$(VENV)/bin/cyclonedx-py environment --output-reproducible --output-file $(SBOM) \
		--pyproject $(VENV)/sbom/pyproject.toml $(VENV)/sbom/bin/python
	@rm -rf $(VENV)/sbom

# Strict: a package that the advisory service does not know counts as a failure, not as safe.
# The one exception is ecdsa: its signing leaks by its timing, and that will not be mended
# (CVE-2024-23342). Only checkov uses it, and signs nothing.
audit: $(VENV)/dev ## Look all locks up among the known vulnerabilities (needs the network)
	@failed=0; for lock in requirements*.txt; do echo "$$lock"; \
		$(VENV)/bin/pip-audit --strict --require-hashes --disable-pip --progress-spinner off \
			--ignore-vuln CVE-2024-23342 --requirement "$$lock" || failed=1; \
	done; exit $$failed

tune: $(VENV)/dev ## Find a pod's capacity and CONCURRENCY: make tune URL=/path (METHOD and so on as for load)
	$(VENV)/bin/python -m local.tune

lock-upgrade: UPGRADE = --upgrade
lock-upgrade: lock ## Renew the locks with the latest releases of everything

# uv keeps the pins of a lock that is there.
lock: $(VENV)/dev ## Renew the locks where pyproject.toml has changed, and nothing else
	$(UV_COMPILE) pyproject.toml --output-file requirements.txt
	$(UV_COMPILE) --group smoke --constraint requirements.txt --output-file requirements-smoke.txt
	$(UV_COMPILE) --group reload --output-file requirements-reload.txt
	$(UV_COMPILE) --group proxies --output-file requirements-proxies.txt
# begin: leaves with make rename
	$(UV_COMPILE) --group bench --output-file requirements-bench.txt
	for reference in tutorial bare exporter granian; do \
		$(UV_COMPILE) benchmarks/references/$$reference/requirements.in \
			--output-file benchmarks/references/$$reference/requirements.txt; \
	done
# end: leaves with make rename
	$(UV_COMPILE) pyproject.toml tests/process/foreign/requirements.in --constraint requirements.txt \
		--output-file tests/process/foreign/requirements.txt
	$(UV_COMPILE) --group scan --output-file requirements-scan.txt
	$(UV_COMPILE) pyproject.toml --extra otel --constraint requirements.txt \
		--output-file requirements-otel.txt
	$(UV_COMPILE) pyproject.toml --extra otel --group dev --constraint requirements-otel.txt \
		--constraint requirements-smoke.txt --constraint requirements-reload.txt \
		--output-file requirements-dev.txt

# begin: leaves with make rename
.PHONY: bench bench-overload soak rename

bench: $(VENV)/dev ## Compare with what a user would pick instead (11 minutes; Docker, kind and kubectl for their rows)
	$(VENV)/bin/python -m benchmarks.bench

soak: $(VENV)/dev ## A million requests, then half an hour of rollouts under load on kind
	$(VENV)/bin/python -m benchmarks.soak

bench-overload: $(VENV)/bench ## Compare goodput at up to ten times the capacity (35 minutes)
	$(VENV)/bin/python -m benchmarks.overload $(BENCH)

$(VENV)/bench: requirements-bench.txt $(VENV)/dev
	$(PIP_INSTALL) --requirement requirements-bench.txt
	@touch $@

# NAME comes by the environment, so that no shell reads it: make puts it there by itself. Lines have
# other lengths then. So `make fix` wraps them again.
rename: ## Make this clone a service of your own: make rename NAME=orders
	@$(PYTHON) rename.py
	@test -e $(VENV)/dev || echo "Installing what formats the code; this takes minutes ..."
	@$(MAKE) --silent fix
	@git add --all

# end: leaves with make rename
clean: ## Remove the virtual environments and caches
	rm -rf $(VENV) $(SCAN) .venv-references $(SBOM) .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage

# The stamps say what the environment holds, so that a second `make` installs nothing.
$(VENV)/bin/pip $(SCAN)/bin/pip:
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("hellopod needs Python 3.11 or newer; set PYTHON=/path/to/it")'
	$(PYTHON) -m venv $(@:/bin/pip=)

$(VENV)/runtime: requirements.txt | $(VENV)/bin/pip
	$(PIP_INSTALL) --requirement requirements.txt
	@touch $@

$(VENV)/dev: requirements-dev.txt | $(VENV)/bin/pip
	$(PIP_INSTALL) --requirement requirements-dev.txt
	@touch $@ $(VENV)/runtime $(VENV)/reload

$(VENV)/reload: requirements-reload.txt $(VENV)/runtime
	$(PIP_INSTALL) --requirement requirements-reload.txt
	@touch $@

$(VENV)/proxies: requirements-proxies.txt $(VENV)/dev
	$(PIP_INSTALL) --requirement requirements-proxies.txt
	@touch $@

$(SCAN)/scan: requirements-scan.txt | $(SCAN)/bin/pip
	$(PIP_INSTALL) --requirement requirements-scan.txt
	@touch $@
