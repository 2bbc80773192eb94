%% SPDX-License-Identifier: Apache-2.0
%% @doc Shell commands about the network.
-module(loom_shell_network).

-export([commands/0]).
-export([ifconfig/0, ifconfig/2, netstat/0, ping/1, ping/2]).

-spec commands() -> [loom_shell_help:command()].
commands() ->
    [{ifconfig, "ifconfig()", "network interfaces and their addresses", "And where each address is from."},
     {ifconfig, "ifconfig(If, Addr)", "an address by hand: ifconfig(\"eth0\", \"10.0.0.2/24\")",
      "Instead of DHCP; a map sets more: #{address => \"10.0.0.2/24\", gateway => \"10.0.0.1\", servers => [...]}"},
     {netstat, "netstat()", "connections and listeners", "Own address, the peer's, and how it is."},
     {ping, "ping(Host)", "ask a host whether it is there; ping(Host, Times)", "A name or an address, three times."}].

-spec ifconfig() -> ok.
ifconfig() -> loom_net:ifconfig().

-spec ifconfig(string() | binary(), string() | map()) -> ok.
ifconfig(Interface, #{address := _} = Settings) ->
    Known = [Name || #{name := Name} <- loom_net_config:interfaces()],
    try lists:member(iolist_to_binary(Interface), Known) andalso loom_net:configure(Interface, Settings) of
        ok -> ok;
        false -> loom_shell_help:failed("ifconfig", Interface, "no such interface")
    catch error:_ -> loom_shell_help:usage(ifconfig) % an address that is none
    end;
ifconfig(Interface, Address) when is_list(Address); is_binary(Address) ->
    ifconfig(Interface, #{address => Address});
ifconfig(_, _) -> loom_shell_help:usage(ifconfig).

-spec netstat() -> ok.
netstat() -> loom_net:netstat().

-spec ping(string() | inet:ip_address()) -> ok.
ping(Host) -> ping(Host, 3).

-spec ping(string() | inet:ip_address(), pos_integer()) -> ok.
ping(Host, Times) when is_integer(Times), Times > 0 ->
    try loom_net:ping(Host, Times) of
        {error, Reason} when Reason =/= timeout ->
            loom_shell_help:failed("ping", Host, inet:format_error(Reason));
        _ -> ok % each answer, or that there was none, has been printed
    catch error:_ -> loom_shell_help:usage(ping)
    end;
ping(_, _) -> loom_shell_help:usage(ping).
