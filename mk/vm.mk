# The virtual machine as a Linux program. Object lists are globs: adding a file edits nothing here.
VM_SRC := $(wildcard vm/*.c vm/*/*.c)
LIB_SRC := $(wildcard lib/*.c)
LINUX_SRC := $(wildcard plat/linux/*.c)
GEN := $(OUT)/gen
NATIVE_TABS := $(wildcard vm/tab/native/*.tab)
ATOM_SOURCES := $(wildcard vm/*/*.[ch] vm/*.[ch] plat/*/*.[ch])

GEN_C := $(GEN)/atoms.c $(GEN)/natives.c $(GEN)/natives_linux.c $(GEN)/ops.c
GEN_H := $(GEN)/atoms.h $(GEN)/natives.h $(GEN)/natives_linux.h $(GEN)/ops.h $(GEN)/powers.h

HOST_CFLAGS = $(BASE_CFLAGS) $(MODE_$(B)) -I$(OUT) -pthread
HOST_OBJS := $(patsubst %.c,$(OUT)/%.o,$(VM_SRC) $(LIB_SRC) $(LINUX_SRC)) $(patsubst %.c,%.o,$(GEN_C))
HOST_LIBS := -l:libgmp.a -l:libpcre2-8.a -l:libz.a -lm -pthread

# Generators leave a file alone that would not change, so that nothing is compiled again; the stamp says that they ran.
$(GEN)/atoms.made: tools/gentab vm/tab/atoms.tab $(ATOM_SOURCES)
	@tools/gentab atoms $(GEN)/atoms.h $(GEN)/atoms.c vm/tab/atoms.tab $(ATOM_SOURCES)
	@touch $@
$(GEN)/natives.made: tools/gentab $(NATIVE_TABS)
	@tools/gentab natives $(GEN)/natives.h $(GEN)/natives.c core_natives $(NATIVE_TABS)
	@touch $@
$(GEN)/natives_linux.made: tools/gentab plat/linux/native.tab
	@tools/gentab natives $(GEN)/natives_linux.h $(GEN)/natives_linux.c linux_natives plat/linux/native.tab
	@touch $@
$(GEN)/ops.made: tools/genops vm/tab/ops.tab
	@mkdir -p $(GEN)
	@tools/genops $(GEN)/ops.h $(GEN)/ops.c vm/tab/ops.tab
	@touch $@
$(foreach n,atoms natives natives_linux ops,$(eval $(GEN)/$n.h $(GEN)/$n.c: $(GEN)/$n.made ; @:))
$(GEN)/powers.h: tools/genpowers vm/term/float_shortest.c
	@mkdir -p $(GEN)
	@tools/genpowers $$(sed -n 's/^enum { K_MIN = \(-*[0-9]*\), K_MAX = \([0-9]*\).*/\1 \2/p' vm/term/float_shortest.c) $@

# Instruction functions end in tail calls: no frame pointer, no stack protector, so that they stay jumps.
$(OUT)/vm/ops/%.o: MODE_FLAGS := -fomit-frame-pointer -fno-stack-protector -foptimize-sibling-calls -Wno-missing-prototypes

$(OUT)/%.o: %.c | $(GEN_H)
	@mkdir -p $(@D)
	@echo "  CC    $<"
	@$(CC) $(HOST_CFLAGS) $(MODE_FLAGS) -c $< -o $@
$(GEN)/%.o: $(GEN)/%.c | $(GEN_H)
	@echo "  CC    $<"
	@$(CC) $(HOST_CFLAGS) -c $< -o $@

$(OUT)/loom: $(HOST_OBJS)
	@echo "  LINK  $@"
	@$(CC) $(HOST_CFLAGS) $^ $(HOST_LIBS) -o $@

# bin/erl is for programs that look up `erl` on the path: Elixir's (loom --elixir).
build/loom: $(OUT)/loom
	@mkdir -p build/bin $(OUT)/bin
	@ln -sf ../loom build/bin/erl
	@ln -sf ../loom $(OUT)/bin/erl
	@cp -f $< $@

-include $(HOST_OBJS:.o=.d)
