# OnePay: two commands matter, `make up` and `make test`; each works first and alone.
SHELL := /bin/sh
.DEFAULT_GOAL := help
WORLD ?= small
SEED ?= 42
PORT ?=
T ?=
NAME ?= ledger
BIN := .venv/bin
UP_OPTIONS := --world $(WORLD) --seed $(SEED) $(if $(PORT),--port $(PORT))

.PHONY: up test check fix docs figures reports mail totp lock bench reset help

up: ## A running, populated system with a board (WORLD=small|empty SEED=42 PORT=8080)
	@sh deploy/environment.sh run
	@exec $(BIN)/onepay demo up $(UP_OPTIONS)

test: ## Everything that can be checked here; T=path narrows pytest
	@sh deploy/environment.sh test
	@$(MAKE) --no-print-directory check

check: ## As `test`, on an installed environment
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -n 3 --dist loadgroup $(T)

fix: ## Mend what ruff can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: ## Write the generated pages anew
	$(BIN)/python -m app.documentation

figures: ## The ten longest files and functions: to look at, not to obey
	@$(BIN)/python -m benchmarks.figures

reports: ## PDF of reports: adds the Typst compiler (34 MB) to the environment
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes --only-binary :all: -r deploy/reports.lock

mail: ## The newest letters of the console messenger (TO=address)
	@$(BIN)/onepay mail $(if $(TO),--to $(TO))

totp: ## Passwords and present codes of the demo accounts
	@$(BIN)/onepay demo totp

lock: ## Resolve the locks anew; releases younger than 7 days are left out (NOW=1 takes them)
	@sh deploy/lock.sh

bench: ## Measure against a named reference (NAME=ledger|ingest|log|compliance|retention|verify)
	$(BIN)/python -m benchmarks.$(NAME)

reset: ## Remove the demonstration's data
	@sh deploy/reset.sh

help: ## This list
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-9s %s\n", $$1, $$2}' Makefile
