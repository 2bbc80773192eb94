/* SPDX-License-Identifier: Apache-2.0 */
/* ChaCha20 against the vectors of RFC 8439 (2.3.2, appendix A.1), and what a generator over it promises. */
#include <stdio.h>
#include <stdlib.h>

#include "lib/chacha20.h"

static int failures;

static void check(const char *name, bool good)
{
    if (!good) {
        printf("FAIL %s\n", name);
        failures++;
    }
}

static void from_hex(const char *hex, uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const char digits[3] = {hex[2 * i], hex[2 * i + 1], 0};
        bytes[i] = (uint8_t)strtoul(digits, NULL, 16);
    }
}

static void vector(const char *name, const char *key_hex, uint32_t counter, const char *nonce_hex,
                   const char *block_hex)
{
    uint8_t key[CHACHA20_KEY_BYTES], nonce[CHACHA20_NONCE_BYTES];
    uint8_t wanted[CHACHA20_BLOCK_BYTES], got[CHACHA20_BLOCK_BYTES];
    from_hex(key_hex, key, sizeof key);
    from_hex(nonce_hex, nonce, sizeof nonce);
    from_hex(block_hex, wanted, sizeof wanted);
    chacha20_block(key, counter, nonce, got);
    check(name, memcmp(got, wanted, sizeof got) == 0);
}

#define ZERO_KEY "0000000000000000000000000000000000000000000000000000000000000000"
#define ZERO_NONCE "000000000000000000000000"

static void vectors(void)
{
    vector("2.3.2", "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", 1, "000000090000004a00000000",
           "10f1e7e4d13b5915500fdd1fa32071c4c7d1f4c733c068030422aa9ac3d46c4e"
           "d2826446079faa0914c2d705d98b02a2b5129cd1de164eb9cbd083e8a2503c4e");
    vector("A.1 1", ZERO_KEY, 0, ZERO_NONCE,
           "76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7"
           "da41597c5157488d7724e03fb8d84a376a43b8f41518a11cc387b669b2ee6586");
    vector("A.1 2", ZERO_KEY, 1, ZERO_NONCE,
           "9f07e7be5551387a98ba977c732d080dcb0f29a048e3656912c6533e32ee7aed"
           "29b721769ce64e43d57133b074d839d531ed1f28510afb45ace10a1f4b794d6f");
    vector("A.1 3", "0000000000000000000000000000000000000000000000000000000000000001", 1, ZERO_NONCE,
           "3aeb5224ecf849929b9d828db1ced4dd832025e8018b8160b82284f3c949aa5a"
           "8eca00bbb4a73bdad192b5c42f73f2fd4e273644c8b36125a64addeb006c13a0");
    vector("A.1 4", "00ff000000000000000000000000000000000000000000000000000000000000", 2, ZERO_NONCE,
           "72d54dfbf12ec44b362692df94137f328fea8da73990265ec1bbbea1ae9af0ca"
           "13b25aa26cb4a648cb9b9d1be65b2c0924a66c54d545ec1b7374f4872e99f096");
    vector("A.1 5", ZERO_KEY, 0, "000000000000000000000002",
           "c2c64d378cd536374ae204b9ef933fcd1a8b2288b3dfa49672ab765b54ee27c7"
           "8a970e0e955c14f3a88e741b97c286f75f8fc299e8148362fa198a39531bed6d");
}

/* What is drawn is the stream behind its first 32 bytes, and these are the next key. */
static void generator(void)
{
    enum { LONGEST = 300 };
    for (size_t n = 0; n <= LONGEST; n++) {
        uint8_t key[CHACHA20_KEY_BYTES], nonce[CHACHA20_NONCE_BYTES] = {0}, stream[6 * CHACHA20_BLOCK_BYTES];
        uint8_t bytes[LONGEST + 1];
        for (size_t i = 0; i < sizeof key; i++) {
            key[i] = (uint8_t)(n + 7 * i);
        }
        for (uint32_t i = 0; i < sizeof stream / CHACHA20_BLOCK_BYTES; i++) {
            chacha20_block(key, i, nonce, stream + CHACHA20_BLOCK_BYTES * i);
        }
        bytes[n] = 0xa5;
        chacha20_draw(key, bytes, n);
        check("draw: next key", memcmp(key, stream, sizeof key) == 0);
        check("draw: bytes", memcmp(bytes, stream + sizeof key, n) == 0);
        check("draw: no more", bytes[n] == 0xa5);
    }
}

int main(void)
{
    vectors();
    generator();
    printf("%s\n", failures == 0 ? "ok" : "failed");
    return failures != 0;
}
