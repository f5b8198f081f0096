# SPDX-License-Identifier: Apache-2.0
# A thin front of CMake: `make help` lists the targets.

CMAKE ?= cmake
BUILD ?= build/release
PREFIX ?= /usr/local
CMAKE_FLAGS ?=
# A folder keeps the generator it was first configured with.
GENERATOR = $(if $(wildcard $(BUILD)/CMakeCache.txt),,$(if $(shell command -v ninja),-G Ninja,-G "Unix Makefiles"))

.DEFAULT_GOAL := all
.PHONY: all demo test bench ops format install asan clean check-fresh help

all: ## Build both libraries and the command into build/release
	@command -v $(CMAKE) >/dev/null || { echo "wick: cmake is missing; run scripts/setup" >&2; exit 1; }
	@$(CMAKE) -S . -B $(BUILD) $(GENERATOR) -DCMAKE_BUILD_TYPE=Release $(CMAKE_FLAGS) >/dev/null
	@$(CMAKE) --build $(BUILD) --parallel $$(nproc 2>/dev/null || echo 2)

demo: ## Install what is missing, build, train a network on Fashion-MNIST and use it
	@scripts/setup should
	@$(MAKE) --no-print-directory all
	@scripts/demo $(BUILD)/wick

test: ## Install what tests need, then run every check and test
	@scripts/test

bench: all ## Measure matrix products, convolutions and ops on this machine
	@for what in gemm conv ops; do $(BUILD)/wick bench $$what || exit 1; done

ops: ## Write the generated files (*.gen.*) again from schema/*.toml
	@python3 tools/generate.py

format: ## Format all C sources
	@scripts/sources c | xargs clang-format-14 -i

install: all ## Install under PREFIX (/usr/local), below DESTDIR if set
	@DESTDIR="$(DESTDIR)" $(CMAKE) --install $(BUILD) --prefix "$(PREFIX)" >/dev/null
	@echo "installed under $(DESTDIR)$(PREFIX)"

asan: ## Build with the address and undefined-behaviour sanitizers into build/asan
	@$(MAKE) --no-print-directory all BUILD=build/asan CMAKE_FLAGS="-DWICK_SANITIZE=address,undefined $(CMAKE_FLAGS)"

check-fresh: ## Run `make demo` and `make test` in a new Debian 12 made by debootstrap (root)
	@scripts/check-fresh

clean: ## Remove what was built
	@rm -rf build/release build/asan build/install

help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 14
