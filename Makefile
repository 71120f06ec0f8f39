# Targets are described by the text after `##`; `make help` prints it.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.ONESHELL:
MAKEFLAGS += --no-print-directory

VENV := .venv
PYTHON := $(shell command -v python3)
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export VIRTUAL_ENV := $(CURDIR)/$(VENV)
# Trust what the machine trusts: companies add authorities of their own.
export UV_SYSTEM_CERTS := true
unexport PYTHONDONTWRITEBYTECODE

SAY := printf '\033[1m==> %s\033[0m\n'
PACKAGES := .config/system-packages
AS_ROOT := local-up
BUILD_INPUTS := requirements.txt app/pyproject.toml app/hatch_build.py \
	$(shell find proto -name '*.proto')

.PHONY: help demo demo-fleet test chaos lint bench call plan planned status report logs shell local-running local-up local-down clean lock docs system

help:  ## List the targets
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' Makefile | expand -t 20

demo: $(VENV)/installed  ## Install, start the local cloud, deploy the greeter and call it
	@make local-running AGAIN=$@
	$(SAY) "Deploying to the local cloud: ansible-playbook site.yml"
	ansible-playbook site.yml
	$(SAY) "Calling the service: saudacao-client Leonardo"
	saudacao-client Leonardo
	printf '%s\n' '' 'Next, after "source .venv/bin/activate":' \
	    '  saudacao-client Maria João      # call it yourself' \
	    '  ansible-playbook site.yml       # a second run changes nothing' \
	    '  ansible-playbook teardown.yml   # remove the deployment; "make local-down" ends the cloud'

demo-fleet: $(VENV)/installed  ## Deploy hosts behind a load balancer to the local cloud and call them
	@make local-running AGAIN=$@
	$(SAY) "Deploying to the local cloud: ansible-playbook -i inventory/local-fleet site.yml"
	ansible-playbook -i inventory/local-fleet site.yml
	$(SAY) "Calling the service: saudacao-client --config .deploy/local-fleet/client.toml Leonardo"
	saudacao-client --config .deploy/local-fleet/client.toml Leonardo
	printf '%s\n' '' 'Next, after "source .venv/bin/activate":' \
	    '  ansible-inventory -i inventory/local-fleet --graph           # the hosts' \
	    '  ansible-playbook -i inventory/local-fleet site.yml           # a second run changes nothing' \
	    '  ansible-playbook -i inventory/local-fleet teardown.yml       # remove the fleet'

local-running:
	@if ! python -m localcloud status >/dev/null 2>&1; then
	    if [ "$$(id -u)" -ne 0 ]; then
	        echo "The local cloud is not running, and only root can start it: network namespaces." >&2
	        echo "Run this one command, then 'make $(AGAIN)' again:   sudo make local-up" >&2
	        exit 1
	    fi
	    make local-up
	fi

# What tests need besides is not put on the machine of somebody who only runs the demo.
test: PACKAGES += .config/test-packages
test: AS_ROOT := test
test: system $(VENV)/installed  ## Run every test: lint, unit, template, local cloud, molecule, end to end
	@pytest --verbose --numprocesses 3 --dist loadfile --durations 25

chaos: system $(VENV)/installed  ## Strike deployments with a fault at each stage, for an hour (needs root)
	@pytest tests/chaos --chaos --verbose

lint: $(VENV)/installed  ## Run the linters and type checks only
	@pytest tests/lint

bench: system $(VENV)/installed  ## Upgrade a host under load, our way and others; 25 minutes (needs root)
	@python -m bench.upgrade

call: $(VENV)/installed  ## Call the deployed service; NAMES="Ana Rui" says whom to greet
	@saudacao-client $(or $(NAMES),Leonardo)

# The environment of plan, status, report, logs and shell, and what else ansible-playbook is told.
ON = $(if $(INVENTORY),-i $(INVENTORY)) $(ARGS)

# make itself ends with 0 or 2; only its question mode ends with 1, where a recipe has something to
# do. So for the goal `plan` it is asked that question: `planned` runs all the same, by its +, fails
# when there are changes, and leaves something to do to `plan` only when it could not tell.
ifeq ($(MAKECMDGOALS),plan)
MAKEFLAGS += --question
PLAN_CODE := $(shell mktemp)
endif

plan: planned  ## Say what site.yml would change; exit code 0: nothing, 2: changes, 1: error
	$(if $(filter 0,$(shell cat $(PLAN_CODE); rm $(PLAN_CODE))),,there was an error)

planned:
	+@if MAKEFLAGS= make --silent $(VENV)/installed >&2 \
	    && ansible-playbook $(ON) playbooks/plan.yml -e plan_code_file=$(PLAN_CODE) \
	    && grep --quiet 2 $(PLAN_CODE); then
	    rm $(PLAN_CODE)
	    exit 2
	fi

status: $(VENV)/installed  ## Say what runs and what is wrong; INVENTORY=inventory/lab for another environment
	@ansible-playbook $(ON) playbooks/status.yml

report: $(VENV)/installed  ## Write one HTML page on all of it; ARGS="-e report_hours=24" looks further back
	@ansible-playbook $(ON) playbooks/report.yml

logs: $(VENV)/installed  ## Print the service's log; ARGS="-e lines=20 -e level=warning" chooses
	@ansible-playbook $(ON) playbooks/logs.yml

shell: $(VENV)/installed  ## Open a shell on a host with its verified key; HOST=i-... chooses one
	@command=$$(ansible-playbook $(ON) playbooks/shell.yml $(if $(HOST),-e host=$(HOST)))
	eval "exec $$command"

# Nothing of root's stays in a checkout that somebody else owns.
local-up local-down: export PYTHONPYCACHEPREFIX := /var/cache/localcloud/bytecode

local-up: system $(VENV)/installed  ## Start the local cloud (needs root)
	@$(SAY) "Starting the local cloud"
	python -m localcloud up

local-down: $(VENV)/installed  ## Stop the local cloud and every host in it (needs root)
	@python -m localcloud down

clean:  ## Remove everything the project made on this machine, the local cloud included
	@if [ -d /var/lib/localcloud ]; then
	    if [ "$$(id -u)" -ne 0 ]; then
	        echo "The local cloud's files belong to root. Run:   sudo make clean" >&2
	        exit 1
	    fi
	    make $(VENV)/installed
	    python -m localcloud purge
	fi
	rm -rf .venv .deploy .cache .molecule .pytest_cache .mypy_cache .ruff_cache .ansible
	find . -name __pycache__ -prune -exec rm -rf {} +
	find app -name '*_pb2*' -delete
	echo "Removed. Left: the Debian packages of .config/*-packages, and the caches that uv, pip"
	echo "and Ansible keep for all projects in your home directory."

lock: $(VENV)/installed  ## Take the newest packages that fit together into the locks
	@compile() {
	    uv pip compile --quiet --upgrade --universal --generate-hashes --no-emit-index-url \
	        --python-version 3.11 --custom-compile-command 'make lock' "$$@"
	}
	compile requirements.in app/pyproject.toml --output-file requirements.txt
	compile app/pyproject.toml --constraints requirements.txt --output-file app/requirements.txt

docs: $(VENV)/installed  ## Write the roles' READMEs and the deployer's policies from what they describe
	@for role in roles/*/; do aar-doc "$$role" markdown; done
	python -m docs.iam

system:
	@missing=()
	while read -r package purpose; do
	    if ! dpkg-query --show --showformat '$${db:Status-Abbrev}' "$$package" 2>&1 | grep --quiet '^ii'; then
	        missing+=("$$package")
	        printf 'Missing Debian package: %-15s %s\n' "$$package" "$$purpose"
	    fi
	done < <(grep --no-filename --invert-match '^#' $(PACKAGES))
	if [ "$${#missing[@]}" -eq 0 ]; then exit 0; fi
	if [ "$$(id -u)" -ne 0 ]; then
	    echo "Only root can install them. Run this one command, then try again:   sudo make $(AS_ROOT)" >&2
	    exit 1
	fi
	$(SAY) "Installing $${#missing[@]} Debian packages with apt-get"
	apt-get update --quiet=2
	DEBIAN_FRONTEND=noninteractive apt-get install --quiet=2 --yes --no-install-recommends "$${missing[@]}"

$(VENV)/installed: $(BUILD_INPUTS)
	@if [ ! -x $(VENV)/bin/uv ]; then
	    if ! $(PYTHON) -c 'import ensurepip' 2>/dev/null; then make system; fi
	    $(SAY) "Creating the virtual environment .venv"
	    $(PYTHON) -m venv --clear $(VENV)
	    awk '/^uv==/ {take = 1} take {print} take && !/\\$$/ {exit}' requirements.txt > $(VENV)/uv.txt
	    pip install --quiet --require-hashes --requirement $(VENV)/uv.txt
	fi
	$(SAY) "Installing the locked packages into .venv"
	uv pip sync --require-hashes --strict requirements.txt
	uv pip install --quiet --no-deps --no-build-isolation --editable app
	if [ -n "$${SUDO_UID:-}" ]; then chown -R "$$SUDO_UID:$${SUDO_GID:-$$SUDO_UID}" $(VENV); fi
	touch $@
