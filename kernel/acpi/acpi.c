/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See acpi.h. Tables come from firmware: lengths are checked before use, and a table whose checksum is wrong is left
 * out.
 */
#include "kernel/acpi/acpi.h"

#include "kernel/arch/x86_64/cpu.h"
#include "kernel/arch/x86_64/paging.h"
#include "kernel/log.h"

enum { MAX_TABLES = 64, MAX_TABLE_BYTES = 8 << 20, SPACE_MEMORY = 0, SPACE_IO = 1 };
enum { SLEEP_ENABLE = 1 << 13, ACPI_ENABLED = 1, REDUCED_SLEEP_ENABLE = 1 << 5 };
#define FADT_RESET_SUPPORTED (1u << 10)
#define FADT_HARDWARE_REDUCED (1u << 20)

typedef struct __attribute__((packed)) TableHeader {
    char signature[4];
    uint32_t length;
    uint8_t revision, checksum;
    char oem[6], oem_table[8];
    uint32_t oem_revision, creator, creator_revision;
} TableHeader;
_Static_assert(sizeof(TableHeader) == 36, "ACPI table header");

typedef struct __attribute__((packed)) Rsdp {
    char signature[8];
    uint8_t checksum;
    char oem[6];
    uint8_t revision;
    uint32_t rsdt;
    uint32_t length;
    uint64_t xsdt;
    uint8_t extended_checksum, reserved[3];
} Rsdp;

typedef struct __attribute__((packed)) Register {
    uint8_t space, bits, offset, access;
    uint64_t address;
} Register;

typedef struct __attribute__((packed)) Fadt {
    TableHeader header;
    uint32_t facs, dsdt;
    uint8_t reserved0, profile;
    uint16_t sci;
    uint32_t smi_command;
    uint8_t acpi_enable, acpi_disable, s4bios, pstate;
    uint32_t pm1a_event, pm1b_event, pm1a_control, pm1b_control, pm2_control, pm_timer, gpe0, gpe1;
    uint8_t lengths[8];
    uint16_t latencies[2], flush[2];
    uint8_t duty[2], alarms[3];
    uint16_t boot_flags;
    uint8_t reserved1;
    uint32_t flags;
    Register reset;
    uint8_t reset_value;
    uint16_t arm_flags;
    uint8_t minor;
    uint64_t x_facs, x_dsdt;
    Register x_registers[8];
    Register sleep_control, sleep_status;
} Fadt;
_Static_assert(__builtin_offsetof(Fadt, reset) == 116, "FADT layout");
_Static_assert(__builtin_offsetof(Fadt, sleep_control) == 244, "FADT layout");

static struct Acpi {
    AcpiInfo info;
    Fadt fadt; /* a copy, zero-filled where the firmware's is shorter */
    bool has_sleep_type;
    uint8_t sleep_a, sleep_b;
} acpi;

const AcpiInfo *acpi_info(void) { return &acpi.info; }

static bool sums_to_zero(const void *data, size_t n)
{
    uint8_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum = (uint8_t)(sum + ((const uint8_t *)data)[i]);
    }
    return sum == 0;
}

/* Maps a whole table; NULL if it is not sound. */
static const TableHeader *table_map(uint64_t phys)
{
    const TableHeader *head = phys != 0 ? window_map(phys, sizeof *head, 0) : NULL;
    if (head == NULL || head->length < sizeof *head || head->length > MAX_TABLE_BYTES) {
        return NULL;
    }
    const TableHeader *table = window_map(phys, head->length, 0);
    return table != NULL && sums_to_zero(table, table->length) ? table : NULL;
}

static bool is_rsdp(const Rsdp *r)
{
    return memcmp(r->signature, "RSD PTR ", 8) == 0 && sums_to_zero(r, 20);
}

static const Rsdp *search_bios(uint64_t start, size_t bytes)
{
    const uint8_t *area = window_map(start, bytes, 0);
    for (size_t at = 0; area != NULL && at + sizeof(Rsdp) <= bytes; at += 16) {
        if (is_rsdp((const Rsdp *)(area + at))) {
            return (const Rsdp *)(area + at);
        }
    }
    return NULL;
}

static const Rsdp *find_rsdp(uint64_t phys)
{
    if (phys != 0) {
        const Rsdp *r = window_map(phys, sizeof *r, 0);
        return r != NULL && is_rsdp(r) ? r : NULL;
    }
    const uint16_t *ebda_segment = window_map(0x40e, 2, 0);
    uint64_t ebda = ebda_segment != NULL ? (uint64_t)*ebda_segment << 4 : 0;
    const Rsdp *found = ebda >= 0x80000 && ebda < 0xa0000 ? search_bios(ebda, 1024) : NULL;
    return found != NULL ? found : search_bios(0xe0000, 0x20000);
}

static void take_override(const uint8_t *e)
{
    uint16_t flags = (uint16_t)(e[8] | e[9] << 8);
    if (acpi.info.override_count < ACPI_OVERRIDES) {
        uint32_t gsi;
        memcpy(&gsi, e + 4, 4);
        acpi.info.overrides[acpi.info.override_count++] = (AcpiOverride){
            .isa_irq = e[3], .gsi = gsi, .level = (flags >> 2 & 3) == 3, .active_low = (flags & 3) == 3};
    }
}

static void take_ioapic(const uint8_t *e)
{
    if (acpi.info.ioapic_count < ACPI_IOAPICS) {
        uint32_t phys, base;
        memcpy(&phys, e + 4, 4);
        memcpy(&base, e + 8, 4);
        acpi.info.ioapics[acpi.info.ioapic_count++] = (AcpiIoapic){phys, base};
    }
}

static void take_cpu(uint32_t apic_id, uint32_t flags)
{
    if ((flags & 1) != 0 && acpi.info.cpu_count < ACPI_CPUS) {
        acpi.info.cpu_apic_ids[acpi.info.cpu_count++] = apic_id;
    }
}

/* Entries are {type, length, ...}; each case knows the length it needs. */
static void take_madt(const TableHeader *table)
{
    const uint8_t *at = (const uint8_t *)table + sizeof *table, *end = (const uint8_t *)table + table->length;
    uint32_t lapic, words[3];
    if (end - at < 8) {
        return;
    }
    memcpy(&lapic, at, 4);
    acpi.info.lapic_phys = lapic;
    for (at += 8; end - at >= 2 && at[1] >= 2 && at[1] <= end - at; at += at[1]) {
        if (at[0] == 0 && at[1] >= 8) {
            take_cpu(at[3], at[4]);
        } else if (at[0] == 1 && at[1] >= 12) {
            take_ioapic(at);
        } else if (at[0] == 2 && at[1] >= 10) {
            take_override(at);
        } else if (at[0] == 5 && at[1] >= 12) {
            memcpy(&acpi.info.lapic_phys, at + 4, 8);
        } else if (at[0] == 9 && at[1] >= 16) {
            memcpy(words, at + 4, 12);
            take_cpu(words[0], words[1]);
        }
    }
}

static void take_hpet(const TableHeader *table)
{
    Register r;
    if (table->length >= sizeof *table + 4 + sizeof r) {
        memcpy(&r, (const uint8_t *)table + sizeof *table + 4, sizeof r);
        acpi.info.hpet_phys = r.space == SPACE_MEMORY ? r.address : 0;
    }
}

static void take_mcfg(const TableHeader *table)
{
    const uint8_t *entry = (const uint8_t *)table + sizeof *table + 8;
    if (table->length >= sizeof *table + 8 + 16) {
        memcpy(&acpi.info.ecam_phys, entry, 8);
        acpi.info.ecam_first_bus = entry[10];
        acpi.info.ecam_last_bus = entry[11];
    }
}

/* An integer of an AML package: ZeroOp, OneOp, BytePrefix, or (odd) WordPrefix. */
static const uint8_t *aml_small(const uint8_t *at, const uint8_t *end, uint8_t *value)
{
    if (end - at >= 1 && at[0] <= 1) {
        *value = at[0];
        return at + 1;
    }
    if (end - at >= 2 && at[0] == 0x0a) {
        *value = at[1];
        return at + 2;
    }
    return NULL;
}

/* Name (_S5_, Package () {a, b, ...}): 08 '_S5_' 12 length count a b */
static void find_sleep_type(const TableHeader *table)
{
    const uint8_t *at = (const uint8_t *)table + sizeof *table, *end = (const uint8_t *)table + table->length;
    for (; end - at >= 12; at++) {
        if (memcmp(at, "_S5_\x12", 5) != 0 || (at[-1] != 0x08 && at[-1] != '\\')) {
            continue;
        }
        const uint8_t *value = at + 5;
        value += (value[0] >> 6) + 1; /* the package's length takes 1 to 4 bytes */
        value += 1;                   /* number of elements */
        value = value < end ? aml_small(value, end, &acpi.sleep_a) : NULL;
        if (value != NULL) {
            acpi.has_sleep_type = true;
            if (aml_small(value, end, &acpi.sleep_b) == NULL) {
                acpi.sleep_b = acpi.sleep_a;
            }
            return;
        }
    }
}

static void take_fadt(const TableHeader *table)
{
    size_t n = table->length < sizeof acpi.fadt ? table->length : sizeof acpi.fadt;
    memcpy(&acpi.fadt, table, n);
    const TableHeader *dsdt = table_map(acpi.fadt.x_dsdt != 0 ? acpi.fadt.x_dsdt : acpi.fadt.dsdt);
    if (dsdt != NULL && memcmp(dsdt->signature, "DSDT", 4) == 0) {
        find_sleep_type(dsdt);
    }
}

static void take_table(const TableHeader *table)
{
    if (memcmp(table->signature, "FACP", 4) == 0) {
        take_fadt(table);
    } else if (memcmp(table->signature, "APIC", 4) == 0) {
        take_madt(table);
    } else if (memcmp(table->signature, "HPET", 4) == 0) {
        take_hpet(table);
    } else if (memcmp(table->signature, "MCFG", 4) == 0) {
        take_mcfg(table);
    } else if (memcmp(table->signature, "SSDT", 4) == 0 && !acpi.has_sleep_type) {
        find_sleep_type(table);
    }
}

static void take_root(const TableHeader *root, unsigned entry_bytes)
{
    const uint8_t *entries = (const uint8_t *)root + sizeof *root;
    size_t count = (root->length - sizeof *root) / entry_bytes;
    for (size_t i = 0; i < count && i < MAX_TABLES; i++) {
        uint64_t phys = 0;
        memcpy(&phys, entries + i * entry_bytes, entry_bytes);
        const TableHeader *table = table_map(phys);
        if (table != NULL) {
            take_table(table);
        }
    }
}

static void take_defaults(void)
{
    if (acpi.info.lapic_phys == 0) {
        acpi.info.lapic_phys = 0xfee00000;
    }
    if (acpi.info.ioapic_count == 0) {
        acpi.info.ioapics[acpi.info.ioapic_count++] = (AcpiIoapic){0xfec00000, 0};
    }
    if (acpi.info.cpu_count == 0) {
        acpi.info.cpu_count = 1;
    }
}

void acpi_init(uint64_t rsdp_phys)
{
    const Rsdp *rsdp = find_rsdp(rsdp_phys);
    if (rsdp != NULL) {
        bool extended = rsdp->revision >= 2 && rsdp->xsdt != 0;
        const TableHeader *root = table_map(extended ? rsdp->xsdt : rsdp->rsdt);
        if (root != NULL) {
            acpi.info.present = true;
            take_root(root, extended ? 8 : 4);
        }
    }
    take_defaults();
    klog("acpi: %s, %u processor%s, %u ioapic, hpet %s, soft-off %s", acpi.info.present ? "found" : "none",
         acpi.info.cpu_count, acpi.info.cpu_count == 1 ? "" : "s", acpi.info.ioapic_count,
         acpi.info.hpet_phys != 0 ? "yes" : "no", acpi.has_sleep_type ? "yes" : "no");
}

static void register_write(const Register *r, uint8_t value)
{
    if (r->space == SPACE_IO) {
        io_out8((uint16_t)r->address, value);
    } else if (r->space == SPACE_MEMORY) {
        volatile uint8_t *at = window_map(r->address, 1, MAP_WRITE | MAP_UNCACHED);
        if (at != NULL) {
            *at = value;
        }
    }
}

static void enter_acpi_mode(void)
{
    uint16_t control = (uint16_t)acpi.fadt.pm1a_control;
    if (acpi.fadt.smi_command == 0 || (io_in16(control) & ACPI_ENABLED) != 0) {
        return;
    }
    io_out8((uint16_t)acpi.fadt.smi_command, acpi.fadt.acpi_enable);
    for (int i = 0; i < 100000 && (io_in16(control) & ACPI_ENABLED) == 0; i++) {
    }
}

void acpi_power_off(void)
{
    if (!acpi.has_sleep_type) {
        return;
    }
    if ((acpi.fadt.flags & FADT_HARDWARE_REDUCED) != 0) {
        register_write(&acpi.fadt.sleep_control, (uint8_t)(acpi.sleep_a << 2 | REDUCED_SLEEP_ENABLE));
        return;
    }
    if (acpi.fadt.pm1a_control == 0) {
        return;
    }
    enter_acpi_mode();
    io_out16((uint16_t)acpi.fadt.pm1a_control, (uint16_t)(acpi.sleep_a << 10 | SLEEP_ENABLE));
    if (acpi.fadt.pm1b_control != 0) {
        io_out16((uint16_t)acpi.fadt.pm1b_control, (uint16_t)(acpi.sleep_b << 10 | SLEEP_ENABLE));
    }
}

void acpi_reset(void)
{
    if ((acpi.fadt.flags & FADT_RESET_SUPPORTED) != 0) {
        register_write(&acpi.fadt.reset, acpi.fadt.reset_value);
    }
}
