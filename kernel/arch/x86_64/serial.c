/* SPDX-License-Identifier: Apache-2.0 */
/* See serial.h. */
#include "kernel/arch/x86_64/serial.h"

#include "kernel/arch/x86_64/cpu.h"

enum { UART_DATA = 0, UART_INTERRUPTS = 1, UART_FIFO = 2, UART_LINE = 3, UART_MODEM = 4, UART_STATUS = 5,
        UART_SCRATCH = 7 };
enum { STATUS_ROOM = 0x20, STATUS_IDLE = 0x40, PATIENCE = 200000, FIFO_BYTES = 16 };

static struct Serial {
    bool exists;
    unsigned room; /* bytes that fit before the status must be read again */
} serial;

void serial_init(void)
{
    io_out8(SERIAL_PORT + UART_SCRATCH, 0x5a);
    serial.exists = io_in8(SERIAL_PORT + UART_SCRATCH) == 0x5a;
    if (!serial.exists) {
        return;
    }
    io_out8(SERIAL_PORT + UART_INTERRUPTS, 0);
    io_out8(SERIAL_PORT + UART_LINE, 0x80); /* divisor 1: 115200 */
    io_out8(SERIAL_PORT + UART_DATA, 1);
    io_out8(SERIAL_PORT + UART_INTERRUPTS, 0);
    io_out8(SERIAL_PORT + UART_LINE, 0x03); /* 8N1 */
    io_out8(SERIAL_PORT + UART_FIFO, 0x07); /* FIFOs on and empty */
    io_out8(SERIAL_PORT + UART_MODEM, 0x03); /* DTR, RTS */
}

bool serial_exists(void) { return serial.exists; }

static bool wait_for(uint8_t bit)
{
    for (int i = 0; i < PATIENCE; i++) {
        if ((io_in8(SERIAL_PORT + UART_STATUS) & bit) != 0) {
            return true;
        }
        cpu_pause();
    }
    return false;
}

/* The status says "FIFO empty": then 16 bytes fit. A driver above may write in between, so the count is not kept across
 * calls. */
static void put(char c)
{
    if (serial.room == 0) {
        wait_for(STATUS_ROOM);
        serial.room = FIFO_BYTES;
    }
    io_out8(SERIAL_PORT + UART_DATA, (uint8_t)c);
    serial.room--;
}

void serial_write(const char *text, size_t n)
{
    if (!serial.exists) {
        return;
    }
    serial.room = 0;
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '\n') {
            put('\r');
        }
        put(text[i]);
    }
}

void serial_flush(void)
{
    if (serial.exists) {
        wait_for(STATUS_IDLE);
    }
}
