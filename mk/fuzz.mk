# Fuzz targets: tests/fuzz/*_fuzz.c with libFuzzer under AddressSanitizer and UndefinedBehaviorSanitizer.
# `make fuzz F=load SECONDS=60` runs one; the corpus starts from real .beam files and tests/fuzz/corpus/<target>.
FUZZ_OUT := build/fuzz
FUZZ_CC := clang
FUZZ_CFLAGS = $(BASE_CFLAGS) -O1 -DLOOM_DEBUG -DOP_LOOP -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize=alignment,function \
              -fno-sanitize-recover=undefined -I$(OUT) -pthread
FUZZ_VM := $(patsubst %.c,$(FUZZ_OUT)/%.o,$(VM_SRC) $(LIB_SRC) $(filter-out plat/linux/main.c,$(LINUX_SRC))) \
           $(patsubst $(GEN)/%.c,$(FUZZ_OUT)/gen/%.o,$(GEN_C))
FUZZ_TARGETS := $(patsubst tests/fuzz/%_fuzz.c,$(FUZZ_OUT)/%,$(wildcard tests/fuzz/*_fuzz.c))

$(FUZZ_OUT)/%.o: %.c | $(GEN_H)
	@mkdir -p $(@D)
	$(FUZZ_CC) $(FUZZ_CFLAGS) -Wno-missing-prototypes -c $< -o $@
$(FUZZ_OUT)/gen/%.o: $(GEN)/%.c | $(GEN_H)
	@mkdir -p $(@D)
	$(FUZZ_CC) $(FUZZ_CFLAGS) -c $< -o $@
$(FUZZ_TARGETS): $(FUZZ_OUT)/%: $(FUZZ_OUT)/tests/fuzz/%_fuzz.o $(FUZZ_VM)
	$(FUZZ_CC) $(FUZZ_CFLAGS) -fsanitize=fuzzer $^ $(HOST_LIBS) -o $@

F ?= load
SECONDS ?= 30
.PHONY: fuzz fuzz-build
fuzz-build: $(FUZZ_TARGETS)
fuzz: $(FUZZ_OUT)/$(F) ## fuzz one target: make fuzz F=load SECONDS=60
	tests/fuzz/run $(F) $(SECONDS)
-include $(FUZZ_VM:.o=.d)
