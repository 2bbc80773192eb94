/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text from the first line on: COM1 driven directly at 115200 8N1, and every screen of the firmware.
 *
 * The firmware's own ConOut is a splitter that often includes the same serial line, so using it would print
 * everything twice there. The screens behind it are found instead: handles with graphics and text on them. Only when
 * there is neither such a screen nor a UART does ConOut itself serve.
 */
#include "boot/boot.h"
#include "boot/io.h"
#include "lib/fmt.h"

enum { COM1 = 0x3f8, UART_READY = 0x20, UART_PATIENCE = 100000, QEMU_EXIT_PORT = 0xf4 };
enum { LINE_MAX_CHARS = 400 };

static bool serial_start(void)
{
    io_out8(COM1 + 7, 0x5a); /* the scratch register of a UART that exists reads back */
    if (io_in8(COM1 + 7) != 0x5a) {
        return false;
    }
    io_out8(COM1 + 1, 0x00); /* no interrupts */
    io_out8(COM1 + 3, 0x80); /* divisor 1: 115200 */
    io_out8(COM1 + 0, 0x01);
    io_out8(COM1 + 1, 0x00);
    io_out8(COM1 + 3, 0x03); /* 8N1 */
    io_out8(COM1 + 2, 0xc7); /* FIFOs on and empty */
    io_out8(COM1 + 4, 0x03); /* DTR, RTS */
    return true;
}

static void serial_put(char c)
{
    for (int i = 0; i < UART_PATIENCE && (io_in8(COM1 + 5) & UART_READY) == 0; i++) {
    }
    io_out8(COM1, (uint8_t)c);
}

void console_start(Boot *b)
{
    static const EfiGuid graphics = EFI_GRAPHICS_GUID, text = EFI_TEXT_OUTPUT_GUID;
    b->has_serial = serial_start();
    uint64_t count = 0;
    EfiHandle *handles = NULL;
    if (b->services->locate_handles(EFI_BY_PROTOCOL, &graphics, NULL, &count, &handles) == 0) {
        for (uint64_t i = 0; i < count && b->output_count < BOOT_TEXT_OUTPUTS; i++) {
            void *output;
            if (handles[i] != b->system->con_out_handle &&
                b->services->handle_protocol(handles[i], &text, &output) == 0) {
                b->outputs[b->output_count++] = output;
            }
        }
        b->services->free_pool(handles);
    }
    if (b->output_count == 0 && !b->has_serial && b->system->con_out != NULL) {
        b->outputs[b->output_count++] = b->system->con_out;
    }
}

static void console_line(Boot *b, const char *line)
{
    Char16 wide[LINE_MAX_CHARS + 3];
    unsigned n = 0;
    for (; line[n] != '\0' && n < LINE_MAX_CHARS; n++) {
        wide[n] = (uint8_t)line[n];
        if (b->has_serial) {
            serial_put(line[n]);
        }
    }
    if (b->has_serial) {
        serial_put('\r');
        serial_put('\n');
    }
    wide[n++] = '\r';
    wide[n++] = '\n';
    wide[n] = 0;
    for (unsigned i = 0; i < b->output_count; i++) {
        b->outputs[i]->output_string(b->outputs[i], wide);
    }
}

static void say(Boot *b, const char *format, va_list ap)
{
    char line[LINE_MAX_CHARS];
    int prefix = fmt_buf(line, sizeof line, "loom: boot: ");
    fmt_vbuf(line + prefix, sizeof line - (size_t)prefix, format, ap);
    console_line(b, line);
}

void boot_say(Boot *b, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    say(b, format, ap);
    va_end(ap);
}

_Noreturn void boot_fail(Boot *b, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    say(b, format, ap);
    va_end(ap);
    if (b->test) {
        io_out32(QEMU_EXIT_PORT, 0x20);
    }
    for (;;) {
        b->services->stall(1000000);
    }
}
