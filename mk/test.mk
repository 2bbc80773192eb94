# Tests and benchmarks. Logs are kept in build/test. T=word runs only the tests whose name contains it.
T ?=
TEST_OUT := build/test
FUZZ_SECONDS ?= 30
SECONDS ?= 60
CUTS ?= 200
FUZZ_FLAGS := -O1 -DMAX_BITS=0x40000000UL -DLOOM_DEBUG -DOP_LOOP -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize=alignment -fno-sanitize-recover=undefined

UNIT_SRC := $(wildcard tests/unit/*_test.c)
FUZZ_SRC := $(wildcard tests/fuzz/*_fuzz.c)
FUZZ_DRIVERS := $(wildcard tests/fuzz/drivers/*.erl)

# The builds before the tests use two cores, whatever make was called with.
PARALLEL = $(if $(filter -j% --jobserver%,$(MAKEFLAGS)),,-j2)

.PHONY: powercut
.PHONY: deps test test-all check witness diff stress soak bench fuzz test-programs fuzz-programs
deps: ## install the Debian packages that are missing
	@tools/deps

test: ## build everything and run every test
	@tools/deps tests
	@$(MAKE) --no-print-directory $(PARALLEL) test-parts
	@tests/run $(if $(T),--filter $(T))

# What test-all runs behind all tests, one after another: targets that take long.
LONG_TESTS := fuzz diff stress soak powercut cards chaos
test-all: test ## all tests, then the long ones: fuzzing, drawn programs, stress builds, the soak
	@for t in $(LONG_TESTS); do $(MAKE) --no-print-directory $$t || exit 1; done

fuzz: deps ## run the fuzz targets for SECONDS (60) each, or RUNS inputs; only those with TARGET in their name
	@$(MAKE) --no-print-directory $(PARALLEL) fuzz-programs
	@tests/fuzz/run --seconds $(SECONDS) $(if $(RUNS),--runs $(RUNS)) $(TARGET)

powercut: deps ## a disk under dets, disk_log and Mnesia while QEMU is killed CUTS (200) times
	@$(MAKE) --no-print-directory $(PARALLEL) metal
	@DISK_CUTS=$(CUTS) python3 tests/boot/disk killed

# Three network cards of two kinds at once. Not among all tests yet: an Intel card comes up late now and then.
.PHONY: cards
cards: deps ## DHCP and transfers over three network cards in QEMU, two of them Intel's on one interrupt line
	@$(MAKE) --no-print-directory $(PARALLEL) metal
	@python3 tests/boot/cards -v

# The table in doc/chaos.md and its picture are made of what happened.
FAULTS ?= 10000
SEED ?= 1
.PHONY: chaos latency
chaos: deps ## break a running system FAULTS (10000) times, drawn from SEED; puts what came of it into doc/chaos.md
	@$(MAKE) --no-print-directory $(PARALLEL) build/loom os model
	@FAULTS=$(FAULTS) SEED=$(SEED) tests/chaos/run --report

latency: deps ## from an interrupt to its driver in QEMU, idle and under load, over COUNT (100000) interrupts each; into doc/performance.md
	@$(MAKE) --no-print-directory $(PARALLEL) metal
	@bench/latency/run --report

check: deps ## the part of the tests that takes under two minutes
	@$(MAKE) --no-print-directory $(PARALLEL) build/loom os model test-programs fuzz-programs
	@tests/run --check $(if $(T),--filter $(T))

witness: deps build/loom ## compile kernel, stdlib and compiler on erl and on loom; compare every byte
	@tests/witness/run $(T)

diff: deps build/loom ## drawn calls and programs on erl and on loom: SEED=1 CALLS=1000000 PROGRAMS=20000
	@tests/diff/run

stress: deps ## part of the tests on builds that collect, give way, run short of memory all the time
	@tests/stress/run

soak: deps build/loom ## mixed load for MINUTES=30: resident memory must be flat in the second half
	@bench/soak

bench: deps ## print a table of measurements against erl: BENCH='--quick', BENCH='--group tables' ...
	@$(MAKE) --no-print-directory $(PARALLEL) build/loom metal
	@bench/run $(BENCH)

.PHONY: test-parts
test-parts: build/loom
	@$(MAKE) --no-print-directory os model test-programs fuzz-programs B=release
	@if [ -f mk/metal.mk ]; then $(MAKE) --no-print-directory metal kernel-bare; fi

# All of the machine as an archive: a test program takes from it what it does not define itself.
$(OUT)/libloom.a: $(filter-out $(OUT)/plat/linux/main.o,$(HOST_OBJS))
	@rm -f $@
	@ar rcs $@ $^

# Unit tests, under the address and undefined-behaviour sanitizers. What a test stubs wins over the archive.
test-programs: $(UNIT_SRC)
ifneq ($(UNIT_SRC),)
	@$(MAKE) --no-print-directory B=asan unit-programs
endif
.PHONY: unit-programs
unit-programs: $(patsubst tests/unit/%.c,$(TEST_OUT)/unit/%,$(UNIT_SRC))
$(TEST_OUT)/unit/%: tests/unit/%.c build/asan/libloom.a
	@mkdir -p $(@D)
	$(CC) $(BASE_CFLAGS) $(MODE_asan) -Wno-missing-prototypes -Ibuild/asan -pthread -MF $@.d $< build/asan/libloom.a \
		-Wl,--allow-multiple-definition $(HOST_LIBS) -o $@

# Fuzz targets: libFuzzer, so clang.
fuzz-programs: $(FUZZ_SRC)
ifneq ($(FUZZ_SRC),)
	@$(MAKE) --no-print-directory CC=clang OUT=build/fuzz MODE_release="$(FUZZ_FLAGS)" fuzz-link
endif
.PHONY: fuzz-link
fuzz-link: $(patsubst tests/fuzz/%.c,$(TEST_OUT)/fuzz/%,$(FUZZ_SRC)) \
	$(patsubst tests/fuzz/drivers/%.erl,$(TEST_OUT)/fuzz/drivers/%.beam,$(FUZZ_DRIVERS))
$(TEST_OUT)/fuzz/drivers/%.beam: tests/fuzz/drivers/%.erl
	@mkdir -p $(@D)
	erlc -o $(@D) $<
$(TEST_OUT)/fuzz/%: tests/fuzz/%.c build/fuzz/libloom.a
	@mkdir -p $(@D)
	clang $(BASE_CFLAGS) $(FUZZ_FLAGS) -fsanitize=fuzzer -Ibuild/fuzz -pthread -MF $@.d $< build/fuzz/libloom.a \
		-Wl,--allow-multiple-definition $(HOST_LIBS) -o $@
