/* SPDX-License-Identifier: Apache-2.0 */
/* The machine's random bytes: see random.h. Holds: the key is never used for two draws, and never leaves this file. */
#include "plat/metal/random.h"

#include "kernel/arch/x86_64/cpu.h"
#include "kernel/smp/lock.h"
#include "kernel/time/clock.h"
#include "lib/chacha20.h"
#include "lib/sha256.h"

enum {
    PROCESSOR_WORDS = 8,   /* of 64 bits, from RDSEED and from RDRAND each */
    JITTER_FEW = 64,       /* measurements beside the processor's own source */
    JITTER_MANY = 8192,    /* when it has none */
    STRIDE = 64 * 67, SCRATCH = 64 * 1024,
};
static const uint64_t RESEED_BYTES = 1 << 20;
static const int64_t RESEED_NS = INT64_C(300) * 1000 * 1000 * 1000;

static struct Generator {
    KLock lock;
    uint8_t key[CHACHA20_KEY_BYTES];
    uint64_t drawn;    /* since the last seed */
    int64_t seeded_ns; /* when that was */
    RandomInfo info;
    uint8_t scratch[SCRATCH]; /* memory that jitter() walks over */
} generator;

/* Words of the processor's; one that repeats itself is broken (all ones is what some say after sleeping). */
static bool processor_words(Sha256 *seed, bool (*source)(uint64_t *))
{
    uint64_t last = UINT64_MAX, word;
    bool good = true;
    for (int i = 0; i < PROCESSOR_WORDS; i++) {
        if (!source(&word) || word == last) {
            good = false;
            break;
        }
        sha256_update(seed, &word, sizeof word);
        last = word;
    }
    return good;
}

/* How long walks through memory take, to the cycle: caches, interrupts and memory refresh have their say. */
static void jitter(Sha256 *seed, int count)
{
    uint32_t at = 0;
    for (int i = 0; i < count; i++) {
        uint64_t start = tsc_read();
        for (int step = 0; step < 8; step++) {
            at = (at + STRIDE + generator.scratch[at]) % SCRATCH;
            generator.scratch[at] = (uint8_t)(generator.scratch[at] + start);
        }
        uint64_t took = tsc_read() - start;
        sha256_update(seed, &took, sizeof took);
    }
}

/* The new key is a hash of the old one and all that is new. Under the lock. */
static void reseed(void)
{
    Sha256 seed;
    const int64_t times[] = {clock_now_ns(), rtc_wall_ns(), (int64_t)tsc_read()};
    sha256_init(&seed);
    sha256_update(&seed, generator.key, sizeof generator.key);
    sha256_update(&seed, times, sizeof times);
    generator.info.rdseed = processor_words(&seed, cpu_random_seed);
    generator.info.rdrand = processor_words(&seed, cpu_random);
    jitter(&seed, generator.info.rdseed || generator.info.rdrand ? JITTER_FEW : JITTER_MANY);
    sha256_final(&seed, generator.key);
    generator.drawn = 0;
    generator.seeded_ns = times[0];
    generator.info.reseeds++;
}

void random_bytes(void *bytes, size_t n)
{
    uint8_t *at = bytes;
    while (n > 0) {
        size_t part = n < CHACHA20_DRAW ? n : CHACHA20_DRAW;
        bool on = klock_acquire(&generator.lock);
        if (generator.info.reseeds == 0 || generator.drawn >= RESEED_BYTES ||
            clock_now_ns() - generator.seeded_ns > RESEED_NS) {
            reseed();
        }
        uint8_t key[CHACHA20_KEY_BYTES];
        chacha20_draw(generator.key, key, sizeof key);
        generator.drawn += part;
        klock_release(&generator.lock, on);
        chacha20_draw(key, at, part); /* of its own key, which ends here: the lock is held for a block only */
        memset(key, 0, sizeof key);
        __asm__ volatile("" : : "r"(key) : "memory");
        at += part;
        n -= part;
    }
}

void random_add(const void *data, size_t n)
{
    uint8_t digest[SHA256_BYTES];
    Sha256 mix;
    sha256_of(data, n, digest);
    bool on = klock_acquire(&generator.lock);
    if (generator.info.reseeds == 0) {
        reseed();
    }
    sha256_init(&mix);
    sha256_update(&mix, generator.key, sizeof generator.key);
    sha256_update(&mix, digest, sizeof digest);
    sha256_final(&mix, generator.key);
    generator.info.added_bytes += n;
    generator.info.reseeds++;
    klock_release(&generator.lock, on);
}

RandomInfo random_info(void)
{
    bool on = klock_acquire(&generator.lock);
    RandomInfo info = generator.info;
    klock_release(&generator.lock, on);
    return info;
}
