# The contract's commands. README.md says what each is for, CMakePresets.json has the kinds of build, scripts/packages.txt what gets installed.
SHELL := /bin/bash
.DEFAULT_GOAL := build
JOBS ?= $(shell nproc)
FUZZ_SECONDS ?= 60
CTEST_FLAGS ?=
DRILL_FLAGS ?=
VERSUS ?=
# A test that was not found, or none at all, is a failure. FL_LONG=1 tells tests to take their time (make test-long).
CTEST = ctest --output-on-failure --no-tests=error -j $(JOBS) --output-junit results.xml $(CTEST_FLAGS)

.PHONY: setup build run test test-long test-kubeadm bench drill package fuzz asan tsan coverage lint format run-site clean

setup:
	@scripts/setup.sh build

# Configured once; ninja itself notices later changes of the CMake files. Tests and benchmarks are always part of the configuration, so
# that `make build` and `make test` share one tree.
build/build.ninja: CMakePresets.json | setup
	@cmake --preset release

build: setup build/build.ninja
	@cmake --build build -j $(JOBS) --target fairleadd fairlead fairlead-dhcp-event

# VERSUS=1: keepalived and HAProxy do the same acts afterwards, and the figures are shown side by side.
run:
	@scripts/setup.sh build test $(if $(filter 1,$(VERSUS)),versus)
	@$(MAKE) --no-print-directory build
	@exec scripts/run_demo.py $(if $(filter 1,$(VERSUS)),--versus)

test:
	@scripts/setup.sh build test package browser
	@$(MAKE) --no-print-directory build/build.ninja
	@cmake --build build -j $(JOBS)
	@cd build && $(CTEST) -LE '^long$$'

test-long:
	@scripts/setup.sh build test package browser guest
	@$(MAKE) --no-print-directory build/build.ninja
	@cmake --build build -j $(JOBS)
	@cmake --build build -j $(JOBS) --target headers
	@cd build && FL_LONG=1 $(CTEST)

# With a kubeadm on the PATH: what is written for it is shown to it. FL_KUBEADM_SITE=site.yaml: a whole bring-up, of machines that may be lost.
test-kubeadm: build
	@scripts/test_kubeadm.py build/bin

bench:
	@scripts/setup.sh build test bench
	@$(MAKE) --no-print-directory build/build.ninja
	@cmake --build build -j $(JOBS)
	@test -e build/haproxy3 || bench/haproxy3.sh build/haproxy3 || echo "make bench: goes on without a newer HAProxy" >&2
	@bench/run.py

# The package and, beside it, its debug information. Manual pages come from the target `man`.
package: build
	@scripts/setup.sh package
	@cmake --build build -j $(JOBS) --target fairlead-loadgen $(if $(shell grep -l 'build man:' build/build.ninja 2>/dev/null),man)
	@rm -f build/fairlead_*.deb build/fairlead-dbgsym_*.deb
	@packaging/build_deb.sh build build
	@lintian --fail-on error --tag-display-limit 0 build/fairlead_*.deb
	@ls build/fairlead_*.deb

# The same tests with a sanitizer. Long ones are for `make test-long`. Without detect_stack_use_after_return: g++ 12 puts objects that want
# 64 bytes of alignment (Inbox) wherever its own stack has room for them.
asan:
	@scripts/setup.sh build test
	@cmake --preset asan >/dev/null
	@cmake --build --preset asan -j $(JOBS)
	@cd build/asan && ASAN_OPTIONS=strict_string_checks=1:check_initialization_order=1 \
	  LSAN_OPTIONS=suppressions=$(CURDIR)/cmake/lsan.supp:print_suppressions=0 UBSAN_OPTIONS=print_stacktrace=1 $(CTEST) -LE '^(long|scripts)$$'

# Without address randomisation: TSan's shadow memory clashes with the wide one of newer kernels.
tsan:
	@scripts/setup.sh build test
	@cmake --preset tsan >/dev/null
	@setarch -R cmake --build --preset tsan -j $(JOBS)
	@cd build/tsan && TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1:history_size=4:suppressions=$(CURDIR)/cmake/tsan.supp \
	  setarch -R $(CTEST) -LE '^(long|scripts)$$'

coverage:
	@scripts/setup.sh build test lint
	@cmake --preset coverage >/dev/null
	@cmake --build --preset coverage -j $(JOBS)
	@find build/coverage -name '*.gcda' -delete
	@cd build/coverage && $(CTEST) -LE '^(long|scripts)$$'
	@gcovr --root . --exclude 'tests/|bench/|build/' --exclude-throw-branches --gcov-ignore-parse-errors --object-directory build/coverage \
	  --html-details build/coverage/report.html --txt build/coverage/report.txt --print-summary
	@echo "coverage: build/coverage/report.html"

# Each fuzz program for FUZZ_SECONDS; what it finds interesting stays in build/fuzz/corpus, beside the seeds of tests/fuzz/corpus.
fuzz:
	@scripts/setup.sh build lint
	@cmake --preset fuzz >/dev/null
	@cmake --build --preset fuzz -j $(JOBS)
	@scripts/fuzz.sh build/fuzz $(FUZZ_SECONDS)

lint:
	@scripts/setup.sh build lint
	@cmake --preset lint >/dev/null
	@scripts/check.sh

format:
	@scripts/setup.sh lint
	@git ls-files -z -- '*.h' '*.cc' | xargs -0 -r clang-format-14 -i

# Failovers in the lab, measured: 2, 3 and 5 nodes, profiles vm and fast, and beside it keepalived and Pacemaker; n = 10; goes on where it was
# stopped. DRILL_FLAGS=--quick: minutes.
drill:
	@scripts/setup.sh build test versus drill
	@$(MAKE) --no-print-directory build
	@scripts/run_drills.py $(DRILL_FLAGS)

# The classic site from bare machines, and the loss of the gateway that holds the VIP: minutes.
run-site:
	@scripts/setup.sh build test
	@$(MAKE) --no-print-directory build
	@cmake --build build -j $(JOBS) --target stub_call
	@exec scripts/run_site.py

clean:
	@rm -rf build
