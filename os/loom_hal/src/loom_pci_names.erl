%% SPDX-License-Identifier: Apache-2.0
%% @doc Names of common PCI devices, and of classes for the rest (the PCI Code and ID Assignment Specification).
-module(loom_pci_names).

-export([name/3]).

%% @doc What a person would call the device.
-spec name(Vendor :: 0..16#ffff, Device :: 0..16#ffff, {byte(), byte(), byte()}) -> binary().
name(Vendor, Device, Class) ->
    case device(Vendor, Device) of
        none -> iolist_to_binary([vendor(Vendor), $\s, class(Class)]);
        Name -> Name
    end.

device(16#8086, Device) -> intel(Device);
device(16#1af4, Device) when Device >= 16#1040, Device =< 16#107f -> virtio(Device - 16#1040);
device(16#1af4, 16#1000) -> virtio(1);
device(16#1af4, 16#1001) -> virtio(2);
device(16#1af4, 16#1002) -> virtio(5);
device(16#1af4, 16#1003) -> virtio(3);
device(16#1af4, 16#1004) -> virtio(8);
device(16#1af4, 16#1005) -> virtio(4);
device(16#1af4, 16#1110) -> <<"shared memory between virtual machines">>;
device(16#1b36, 16#000c) -> <<"QEMU PCI Express root port">>;
device(16#1b36, 16#000d) -> <<"QEMU xHCI USB controller">>;
device(16#1b36, 16#0010) -> <<"QEMU NVMe controller">>;
device(16#1234, 16#1111) -> <<"QEMU VGA">>;
device(16#1234, 16#11e8) -> <<"QEMU teaching device">>;
device(_, _) -> none.

intel(16#100e) -> <<"Intel 82540EM gigabit Ethernet">>;
intel(16#100f) -> <<"Intel 82545EM gigabit Ethernet">>;
intel(16#10d3) -> <<"Intel 82574L gigabit Ethernet">>;
intel(16#29c0) -> <<"Intel Q35 host bridge">>;
intel(16#2918) -> <<"Intel ICH9 LPC bridge">>;
intel(16#2922) -> <<"Intel ICH9 AHCI controller">>;
intel(16#2930) -> <<"Intel ICH9 SMBus controller">>;
intel(16#293e) -> <<"Intel ICH9 audio">>;
intel(16#25ab) -> <<"Intel 6300ESB watchdog">>;
intel(16#1237) -> <<"Intel 440FX host bridge">>;
intel(16#7000) -> <<"Intel PIIX3 ISA bridge">>;
intel(16#7010) -> <<"Intel PIIX3 IDE controller">>;
intel(16#7113) -> <<"Intel PIIX4 power management">>;
intel(_) -> none.

%% Virtio 1.2, section 5.
virtio(1) -> <<"virtio network card">>;
virtio(2) -> <<"virtio block device">>;
virtio(3) -> <<"virtio console">>;
virtio(4) -> <<"virtio entropy source">>;
virtio(5) -> <<"virtio memory balloon">>;
virtio(8) -> <<"virtio SCSI host">>;
virtio(16) -> <<"virtio GPU">>;
virtio(18) -> <<"virtio input device">>;
virtio(19) -> <<"virtio socket">>;
virtio(26) -> <<"virtio file system">>;
virtio(_) -> <<"virtio device">>.

vendor(16#8086) -> "Intel";
vendor(16#1022) -> "AMD";
vendor(16#1002) -> "AMD";
vendor(16#10de) -> "NVIDIA";
vendor(16#10ec) -> "Realtek";
vendor(16#1234) -> "QEMU";
vendor(16#1b36) -> "Red Hat";
vendor(16#1af4) -> "Red Hat";
vendor(16#144d) -> "Samsung";
vendor(16#15b7) -> "SanDisk";
vendor(16#1987) -> "Phison";
vendor(16#14e4) -> "Broadcom";
vendor(16#15ad) -> "VMware";
vendor(Id) -> io_lib:format("vendor ~4.16.0b", [Id]).

class({16#01, 16#01, _}) -> "IDE controller";
class({16#01, 16#04, _}) -> "RAID controller";
class({16#01, 16#06, 1}) -> "AHCI controller";
class({16#01, 16#06, _}) -> "SATA controller";
class({16#01, 16#08, 2}) -> "NVMe controller";
class({16#01, _, _}) -> "storage controller";
class({16#02, 0, _}) -> "Ethernet controller";
class({16#02, _, _}) -> "network controller";
class({16#03, _, _}) -> "display controller";
class({16#04, _, _}) -> "multimedia device";
class({16#05, _, _}) -> "memory controller";
class({16#06, 16#00, _}) -> "host bridge";
class({16#06, 16#01, _}) -> "ISA bridge";
class({16#06, 16#04, _}) -> "PCI bridge";
class({16#06, _, _}) -> "bridge";
class({16#07, _, _}) -> "communication device";
class({16#08, _, _}) -> "system peripheral";
class({16#09, _, _}) -> "input device";
class({16#0c, 16#03, 16#30}) -> "xHCI USB controller";
class({16#0c, 16#03, 16#20}) -> "EHCI USB controller";
class({16#0c, 16#03, _}) -> "USB controller";
class({16#0c, 16#05, _}) -> "SMBus controller";
class({16#0c, _, _}) -> "serial bus controller";
class({16#0d, _, _}) -> "wireless controller";
class(_) -> "device".
