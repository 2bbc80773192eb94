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
	$(EFI_CC) $(BOOT_CFLAGS) -c $< -o $@
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
	$(METAL_LINK) $(KERNEL_OBJS) $(MUSL_LIBC) -lgcc -o $@
build/kernel-bare.elf: $(METAL)/bare.first.elf $(METAL)/bare.syms.o
	$(METAL_LINK) $(KERNEL_OBJS) $(METAL)/bare.syms.o $(MUSL_LIBC) -lgcc -o $@

$(METAL)/mkpak: tools/mkpak.c lib/bundle.c lib/sha256.c lib/bundle.h lib/sha256.h
	@mkdir -p $(@D)
	$(CC) $(BASE_CFLAGS) -MF $@.d -O2 tools/mkpak.c lib/bundle.c lib/sha256.c -o $@

.PHONY: kernel-bare
.SECONDARY:
kernel-bare: build/kernel-bare.elf build/BOOTX64.EFI $(METAL)/mkpak ## the kernel without the virtual machine, for its tests

-include $(BOOT_OBJS:.obj=.d) $(KERNEL_OBJS:.o=.d)

$(METAL)/%.o: %.c | $(GEN_H)
	@mkdir -p $(@D)
	$(CC) $(METAL_CFLAGS) $(METAL_FLAGS) -I$(METAL) -I$(OUT) -c $< -o $@
