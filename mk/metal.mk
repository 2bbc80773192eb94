# Bare metal: the nucleus (BOOTX64.EFI), the kernel alone and with the virtual machine, the bundle, the disk image.
# Object lists are globs. `make metal` builds all of it; `make kernel-bare` only what needs no virtual machine.
METAL := build/metal
MUSL_LIBC ?= /usr/lib/x86_64-linux-musl/libc.a
EFI_CC ?= clang
EFI_LD ?= lld-link

# --- the nucleus: a Windows target, because PE and UEFI's calling convention come with it
BOOT_SRC := $(wildcard boot/*.c) lib/fmt.c lib/sha256.c
BOOT_OBJS := $(patsubst %.c,$(METAL)/efi/%.obj,$(BOOT_SRC))
BOOT_CFLAGS := --target=x86_64-unknown-windows -std=gnu11 $(WARN) -fno-common -fno-strict-aliasing -I. -MMD -MP \
        -ffreestanding -fshort-wchar -mno-red-zone -mno-stack-arg-probe -mgeneral-regs-only -fno-builtin -O2

$(METAL)/efi/%.obj: %.c
	@mkdir -p $(@D)
	@echo "  CC    $<"
	@$(EFI_CC) $(BOOT_CFLAGS) -c $< -o $@
build/BOOTX64.EFI: $(BOOT_OBJS)
	$(EFI_LD) /subsystem:efi_application /entry:efi_main /nodefaultlib /Brepro /out:$@ $^

# --- the kernel
METAL_CFLAGS = $(BASE_CFLAGS) -O2 -ffreestanding -fbuiltin -mno-red-zone -mcmodel=kernel -fno-pic -fno-pie \
        -fno-stack-protector -fcf-protection=none -fno-asynchronous-unwind-tables -ffunction-sections -fdata-sections
KERNEL_SRC := $(wildcard kernel/*.c kernel/*/*.c kernel/*/*/*.c) $(LIB_SRC)
KERNEL_ASM := $(wildcard kernel/*/*.S kernel/*/*/*.S)
KERNEL_OBJS := $(patsubst %.c,$(METAL)/%.o,$(KERNEL_SRC)) $(patsubst %.S,$(METAL)/%.S.o,$(KERNEL_ASM))
METAL_LINK = $(CC) -nostdlib -static -no-pie -T kernel/kernel.ld \
        -Wl,--gc-sections,-z,max-page-size=4096,-z,noexecstack,--build-id=none,--no-warn-rwx-segments

$(METAL)/kernel/%.o: METAL_FLAGS := -mgeneral-regs-only
$(METAL)/lib/%.o: METAL_FLAGS := -mgeneral-regs-only
$(METAL)/%.S.o: %.S
	@mkdir -p $(@D)
	$(CC) -g -I. -MMD -MP -c $< -o $@
$(METAL)/%.syms.S: $(METAL)/%.first.elf tools/mksyms
	tools/mksyms $< > $@
$(METAL)/%.syms.o: $(METAL)/%.syms.S
	$(CC) -c $< -o $@

# Linked twice: the second time with the names of the first one's functions.
$(METAL)/bare.first.elf: $(KERNEL_OBJS) kernel/kernel.ld
	@echo "  LINK  $@"
	@$(METAL_LINK) $(KERNEL_OBJS) $(MUSL_LIBC) -lgcc -o $@
build/kernel-bare.elf: $(METAL)/bare.first.elf $(METAL)/bare.syms.o
	@echo "  LINK  $@"
	@$(METAL_LINK) $(KERNEL_OBJS) $(METAL)/bare.syms.o $(MUSL_LIBC) -lgcc -o $@

# --- the kernel with the virtual machine
METAL_SRC := $(wildcard plat/metal/*.c)
METAL_GEN_C := $(GEN)/atoms.c $(GEN)/natives.c $(GEN)/ops.c $(METAL)/gen/natives_metal.c
METAL_OBJS := $(KERNEL_OBJS) $(patsubst %.c,$(METAL)/%.o,$(VM_SRC) $(METAL_SRC)) \
        $(patsubst %.c,$(METAL)/gen/%.o,$(notdir $(METAL_GEN_C)))
METAL_LIBS := -l:libgmp.a -l:libpcre2-8.a -l:libz.a $(MUSL_LIBC) -lgcc

$(METAL)/gen/natives_metal.h $(METAL)/gen/natives_metal.c &: tools/gentab plat/metal/native.tab
	@mkdir -p $(METAL)/gen
	@tools/gentab natives $(METAL)/gen/natives_metal.h $(METAL)/gen/natives_metal.c metal_natives plat/metal/native.tab
	@touch $(METAL)/gen/natives_metal.c
$(METAL)/gen/natives_metal.o: $(METAL)/gen/natives_metal.c | $(GEN_H)
	@echo "  CC    $<"
	@$(CC) $(METAL_CFLAGS) -I$(METAL) -I$(OUT) -c $< -o $@
$(METAL)/gen/%.o: $(GEN)/%.c | $(GEN_H)
	@mkdir -p $(@D)
	@echo "  CC    $<"
	@$(CC) $(METAL_CFLAGS) -I$(METAL) -I$(OUT) -c $< -o $@
$(METAL)/vm/ops/%.o: METAL_FLAGS := -fomit-frame-pointer -foptimize-sibling-calls -Wno-missing-prototypes

$(METAL)/loom.first.elf: $(METAL_OBJS) kernel/kernel.ld
	@echo "  LINK  $@"
	@$(METAL_LINK) $(METAL_OBJS) $(METAL_LIBS) -o $@
build/kernel.elf: $(METAL)/loom.first.elf $(METAL)/loom.syms.o
	@echo "  LINK  $@"
	@$(METAL_LINK) $(METAL_OBJS) $(METAL)/loom.syms.o $(METAL_LIBS) -o $@

# --- the bundle and the disk image
OTP_APPS := kernel stdlib compiler
# Modules of erts: those that are there before the first instruction, and those that the boot script can load just as well.
# They go in without the chunk with their debug information: it is two thirds of their bytes, all of which are hashed
# before the first instruction. What else of that time is known when building, tools/lighten does then.
PRELOADED := erl_init init erl_prim_loader erlang erts_internal prim_buffer zlib \
        erts_code_purger erts_literal_area_collector erl_tracer
BOOT_LOADED := prim_inet prim_zip prim_eval atomics counters persistent_term erts_dirty_process_signal_handler
OTP_DIRS = $(foreach a,$(OTP_APPS),$(lastword $(sort $(wildcard $(OTP_ROOT)/lib/$(a)-*))))
ERTS_EBIN = $(dir $(lastword $(sort $(wildcard $(OTP_ROOT)/erts-*/ebin/init.beam $(OTP_ROOT)/lib/erts-*/ebin/init.beam))))

# mk/os.mk comes later, so its lists are expanded when the rules run.
.SECONDEXPANSION:
$(METAL)/bundle.list: mk/metal.mk tools/lighten $(wildcard os/*/home/*) $$(OS_BEAMS) $$(OS_APP_FILES) $$(OS_PRIV)
	@mkdir -p $(@D)
	@tools/lighten $(METAL)/erts $(addsuffix .beam,$(addprefix $(ERTS_EBIN),$(BOOT_LOADED)))
	@tools/lighten --preload $(METAL)/erts $(addsuffix .beam,$(addprefix $(ERTS_EBIN),$(PRELOADED)) build/os/loom_prim/ebin/prim_file)
	@{ for m in $(PRELOADED) prim_file; do echo "erts/ebin/$$m.beam=$(METAL)/erts/$$m.beam"; done; \
	   for m in $(BOOT_LOADED); do echo "erts/boot/$$m.beam=$(METAL)/erts/$$m.beam"; done; \
	   for d in $(OTP_DIRS); do echo "lib/$${d##*/}/ebin=$$d/ebin"; done; \
	   for f in $(filter-out %/prim_file.beam,$(OS_BEAMS)) $(OS_APP_FILES) $(OS_PRIV); do echo "$${f#build/}=$$f"; done; \
	   for f in os/*/home/*; do echo "home/$${f##*/}=$$f"; done; \
	   echo "bin/loom.boot=build/os/loom.boot"; echo "bin/hello.boot=build/os/hello.boot"; } > $@
build/boot.pak: $(METAL)/mkpak $(METAL)/bundle.list $(wildcard os/*/home/*) $$(OS_BEAMS) $$(OS_APP_FILES) $$(OS_PRIV) build/os/loom.boot build/os/hello.boot
	$(METAL)/mkpak -o $@ -l $(METAL)/bundle.list
CMDLINE ?=
build/loom.img: build/BOOTX64.EFI build/kernel.elf build/boot.pak tools/mkimg
	tools/mkimg -l build/BOOTX64.EFI -k build/kernel.elf -p build/boot.pak -c '$(CMDLINE)' -o $@

.PHONY: metal test-boot
metal: build/loom.img ## the bootable disk image build/loom.img and all in it
test-boot: kernel-bare build/kernel.elf build/boot.pak ## boot in good, damaged and crashing states, and talk to the shell
	tests/boot/run
	tests/boot/system
	tests/boot/devices

$(METAL)/mkpak: tools/mkpak.c lib/bundle.c lib/sha256.c lib/bundle.h lib/sha256.h
	@mkdir -p $(@D)
	$(CC) $(BASE_CFLAGS) -MF $@.d -O2 tools/mkpak.c lib/bundle.c lib/sha256.c -o $@

.PHONY: kernel-bare
.SECONDARY:
kernel-bare: build/kernel-bare.elf build/BOOTX64.EFI $(METAL)/mkpak ## the kernel without the virtual machine, for its tests

-include $(BOOT_OBJS:.obj=.d) $(METAL_OBJS:.o=.d)

$(METAL)/%.o: %.c | $(GEN_H) $(METAL)/gen/natives_metal.h
	@mkdir -p $(@D)
	@echo "  CC    $<"
	@$(CC) $(METAL_CFLAGS) $(METAL_FLAGS) -I$(METAL) -I$(OUT) -c $< -o $@
