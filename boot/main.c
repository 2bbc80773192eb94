/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The nucleus's stages. What it starts has been checked against the manifest before a byte of it is interpreted.
 */
#include "boot/boot.h"

EfiStatus efi_main(EfiHandle image, EfiSystemTable *system);

/* True if `word` stands in the text as a word of its own. */
static bool has_word(const char *text, uint64_t size, const char *word)
{
    uint64_t n = strlen(word), start = 0;
    for (uint64_t i = 0; i <= size; i++) {
        if (i == size || (uint8_t)text[i] <= ' ') {
            if (i - start == n && memcmp(text + start, word, n) == 0) {
                return true;
            }
            start = i + 1;
        }
    }
    return false;
}

/* The command line counts only if the manifest names it; `test` is honoured before, to end failing test runs. */
static void read_cmdline(Boot *b)
{
    if (!file_read_try(b, "\\loom\\cmdline", &b->cmdline)) {
        return;
    }
    b->test = has_word((const char *)b->cmdline.data, b->cmdline.size, "test");
}

static void check_cmdline(Boot *b)
{
    if (manifest_entry(b, "cmdline") == NULL) {
        if (b->cmdline.size > 0) {
            boot_say(b, "%s: the manifest does not name it; ignored", b->cmdline.name);
        }
        return;
    }
    manifest_check(b, &b->cmdline, "cmdline");
    if (b->cmdline.size >= BOOT_CMDLINE_MAX) {
        boot_fail(b, "%s: longer than %d bytes; not started", b->cmdline.name, BOOT_CMDLINE_MAX - 1);
    }
    for (uint64_t i = 0; i < b->cmdline.size; i++) {
        uint8_t c = b->cmdline.data[i];
        b->info->cmdline[i] = c < ' ' ? ' ' : (char)c;
    }
}

EfiStatus efi_main(EfiHandle image, EfiSystemTable *system)
{
    Boot boot = {.image = image, .system = system, .services = system->boot, .cmdline.name = "\\loom\\cmdline"};
    Boot *b = &boot;
    console_start(b);
    boot_say(b, "Loom nucleus 0.1.0");
    b->services->set_watchdog(0, 0, 0, NULL); /* else the firmware resets a machine that shows an error for 5 minutes */
    b->info = boot_pages(b, (sizeof(BootInfo) + PAGE_SIZE - 1) / PAGE_SIZE, "the boot information");
    file_open_volume(b);
    read_cmdline(b);
    file_read(b, "\\loom\\manifest", &b->manifest_file);
    manifest_parse(b);
    check_cmdline(b);
    file_read(b, "\\loom\\kernel.elf", &b->kernel);
    manifest_check(b, &b->kernel, "kernel.elf");
    file_read(b, "\\loom\\boot.pak", &b->bundle);
    manifest_check(b, &b->bundle, "boot.pak");
    elf_load(b);
    handover(b);
}
