/* SPDX-License-Identifier: Apache-2.0 */
/* The compressed form of external terms: 131, 80, size, zlib stream. */
#include <zlib.h>

#include "vm/term/etf.h"
#include "vm/term/etf_tags.h"

static void *z_alloc(void *opaque, unsigned items, unsigned size)
{
    (void)opaque;
    return vm_alloc((size_t)items * size);
}

static void z_free(void *opaque, void *mem)
{
    (void)opaque;
    vm_free(mem);
}

uint8_t *etf_inflate(const uint8_t *data, size_t n, size_t *size, size_t *used)
{
    /* 80, size in 4 bytes, stream. No stream grows more than 1032 times: a larger claim is a lie. */
    if (n < 5 || data[0] != ETF_COMPRESSED) {
        return NULL;
    }
    size_t claimed = (size_t)data[1] << 24 | (size_t)data[2] << 16 | (size_t)data[3] << 8 | data[4];
    if (claimed == 0 || claimed / 1032 > n || n - 5 > UINT32_MAX) {
        return NULL;
    }
    z_stream z = {.zalloc = z_alloc, .zfree = z_free, .next_in = (Bytef *)(uintptr_t)(data + 5),
                  .avail_in = (uInt)(n - 5)};
    if (inflateInit(&z) != Z_OK) {
        return NULL;
    }
    uint8_t *out = vm_alloc(claimed + 1);
    z.next_out = out;
    z.avail_out = (uInt)claimed;
    int result = inflate(&z, Z_FINISH);
    if (result == Z_BUF_ERROR && z.avail_out == 0) { /* all is out; the checksum may still be due */
        uint8_t spare;
        z.next_out = &spare;
        z.avail_out = 1;
        result = inflate(&z, Z_FINISH);
    }
    *used = 5 + (n - 5 - z.avail_in);
    bool good = result == Z_STREAM_END && z.total_out == claimed;
    inflateEnd(&z);
    if (!good) {
        vm_free(out);
        return NULL;
    }
    *size = claimed;
    return out;
}

uint8_t *etf_deflate(const uint8_t *data, size_t n, int level, size_t *size)
{
    if (n > UINT32_MAX) {
        return NULL;
    }
    z_stream z = {.zalloc = z_alloc, .zfree = z_free, .next_in = (Bytef *)(uintptr_t)data,
                  .avail_in = (uInt)n};
    if (deflateInit(&z, level) != Z_OK) {
        return NULL;
    }
    size_t cap = n > 5 ? n - 5 : 0; /* 6 bytes of header against 1: must be smaller in all */
    uint8_t *out = vm_alloc(6 + cap + 1);
    z.next_out = out + 6;
    z.avail_out = (uInt)cap;
    int result = deflate(&z, Z_FINISH);
    *size = 6 + z.total_out;
    deflateEnd(&z);
    if (result != Z_STREAM_END) {
        vm_free(out);
        return NULL;
    }
    out[0] = ETF_VERSION;
    out[1] = ETF_COMPRESSED;
    for (int i = 0; i < 4; i++) {
        out[2 + i] = (uint8_t)(n >> (24 - 8 * i));
    }
    return out;
}
