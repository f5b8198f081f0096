# SPDX-License-Identifier: Apache-2.0
# A thin front of CMake: `make help` lists the targets.

CMAKE ?= cmake
BUILD ?= build/release
PREFIX ?= /usr/local
CMAKE_FLAGS ?=
# A folder keeps the generator it was first configured with.
GENERATOR = $(if $(wildcard $(BUILD)/CMakeCache.txt),,$(if $(shell command -v ninja),-G Ninja,-G "Unix Makefiles"))

.DEFAULT_GOAL := all
.PHONY: all demo test bench ops manual format install dist asan tsan valgrind aarch64 clean check-fresh help

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

bench: all ## Measure kernels and training steps on this machine
	@for what in gemm conv ops mlp lenet cifar; do $(BUILD)/wick bench $$what || exit 1; done

ops: ## Write the generated files (*.gen.*) again from schema/*.toml
	@python3 tools/generate.py

manual: all ## Write docs/man/wick.1 again from what the command says about itself
	@tools/write_manual $(BUILD)/wick >$(BUILD)/wick.1 && cp $(BUILD)/wick.1 docs/man/wick.1

format: ## Format all C sources
	@scripts/sources c | xargs clang-format-14 -i

install: all ## Install under PREFIX (/usr/local), below DESTDIR if set
	@DESTDIR="$(DESTDIR)" $(CMAKE) --install $(BUILD) --prefix "$(PREFIX)" >/dev/null
	@echo "installed under $(DESTDIR)$(PREFIX)"

dist: ## Pack build/wick-VERSION.tar.gz, the same bytes whoever does it
	@scripts/dist

asan: ## Build with the address and undefined-behaviour sanitizers into build/asan
	@$(MAKE) --no-print-directory all BUILD=build/asan CMAKE_FLAGS="-DWICK_SANITIZE=address,undefined $(CMAKE_FLAGS)"

tsan: ## Build with the thread sanitizer into build/tsan
	@$(MAKE) --no-print-directory all BUILD=build/tsan CMAKE_FLAGS="-DWICK_SANITIZE=thread $(CMAKE_FLAGS)"

valgrind: all ## Run the quick tests under valgrind
	@tests/valgrind.sh $(BUILD)

aarch64: ## Build for AArch64 into build/aarch64, where qemu runs its tests (ctest --test-dir)
	@scripts/sysroot
	@$(MAKE) --no-print-directory all BUILD=build/aarch64 CMAKE_FLAGS="-DCMAKE_TOOLCHAIN_FILE=cmake/aarch64-linux-gnu.cmake $(CMAKE_FLAGS)"

check-fresh: ## Run `make demo` and `make test` in a new Debian 12 made by debootstrap (root)
	@scripts/check-fresh

clean: ## Remove what was built
	@rm -rf build/release build/asan build/tsan build/aarch64 build/abi build/fuzz

help: ## List the targets
	@sed -n 's/^\([a-z0-9]*[a-z0-9-]*\):.*## /\1\t/p' Makefile | expand -t 14
