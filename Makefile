# The contract's commands. README.md says what each does; CMakePresets.json has the build kinds.
SHELL := /bin/bash
JOBS ?= $(shell nproc)
CTEST_FLAGS ?= --output-on-failure --no-tests=error -j $(JOBS)

.PHONY: all setup build run test test-long bench drill package fuzz asan tsan coverage lint format run-site clean
all: build

setup:
	@scripts/setup.sh build

build: setup
	@cmake --preset release -DFL_TESTS=OFF -DFL_BENCH=OFF >build.log 2>&1 || { cat build.log; rm -f build.log; exit 1; }; rm -f build.log
	@cmake --build --preset release
