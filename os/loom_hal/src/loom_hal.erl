%% SPDX-License-Identifier: Apache-2.0
%% @doc Holder of the root capability: the only process that may hand out hardware. A driver asks in its `init' and gets
%% a capability of its own, which dies with it.
-module(loom_hal).
-behaviour(gen_server).

-export([start_link/0, grant/1, inventory/0, pci_scan/0]).
-export([init/1, handle_call/3, handle_cast/2]).

-type spec() :: {port, Base :: non_neg_integer(), Count :: pos_integer()}
              | {mmio, Phys :: non_neg_integer(), pos_integer()}
              | {irq, Gsi :: non_neg_integer()} | {dma, pos_integer()} | framebuffer | tuple() | atom().
-opaque cap() :: reference().
-export_type([spec/0, cap/0]).

-spec start_link() -> {ok, pid()} | {error, term()}.
start_link() -> gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

%% @doc A capability for the caller. See doc/hardware.md for the specs and the errors.
-spec grant(spec()) -> {ok, cap()} | {error, taken | enomem | enodev}.
grant(Spec) -> gen_server:call(?MODULE, {grant, Spec}).

%% @doc What the machine has.
-spec inventory() -> map().
inventory() -> gen_server:call(?MODULE, inventory).

%% @doc The functions on the PCI buses: `{{Bus, Device, Function}, Vendor, DeviceId, Class, Subclass, ProgIf}'.
-spec pci_scan() -> [tuple()].
pci_scan() -> gen_server:call(?MODULE, pci_scan).

init([]) ->
    case loom_hw:claim() of
        {ok, Root} -> {ok, Root};
        {error, Reason} -> {stop, Reason}
    end.

handle_call({grant, Spec}, {Pid, _}, Root) -> {reply, loom_hw:grant(Root, Spec, Pid), Root};
handle_call(inventory, _From, Root) -> {reply, loom_hw:inventory(Root), Root};
handle_call(pci_scan, _From, Root) -> {reply, loom_hw:pci_scan(Root), Root}.

handle_cast(Request, _Root) -> error({unexpected_cast, Request}).
