%% SPDX-License-Identifier: Apache-2.0
%% @doc Shell commands about the network.
-module(loom_shell_network).

-export([commands/0]).
-export([ifconfig/0, ifconfig/2, netstat/0, ping/1, ping/2, telnet/0, telnet/1]).

-define(TELNET, 2323).

-spec commands() -> [loom_shell_help:command()].
commands() ->
    [{ifconfig, "ifconfig()", "network interfaces and their addresses", "And where each address is from."},
     {ifconfig, "ifconfig(If, Addr)", "an address by hand: ifconfig(\"eth0\", \"10.0.0.2/24\")",
      "Instead of DHCP; a map sets more: #{address => \"10.0.0.2/24\", gateway => \"10.0.0.1\", servers => [...]}"},
     {netstat, "netstat()", "connections and listeners", "Own address, the peer's, and how it is."},
     {ping, "ping(Host)", "ask a host whether it is there; ping(Host, Times)", "A name or an address, three times."},
     {telnet, "telnet(on)", "a console like this one over TCP, for this machine only; telnet(off)",
      "On port 2323; telnet(Port), telnet({Address, Port}) elsewhere. Nobody is asked for a name. telnet() tells."}].

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

-spec telnet() -> ok.
telnet() ->
    case loom_telnet:status() of
        off -> io:put_chars("telnet: off\n");
        {on, Ip, Port, Consoles} -> io:format("telnet: on, ~s port ~b, ~b open~n", [inet:ntoa(Ip), Port, Consoles])
    end.

-spec telnet(on | off | inet:port_number() | {string() | inet:ip_address(), inet:port_number()}) -> ok.
telnet(on) -> telnet(?TELNET);
telnet(off) ->
    _ = loom_telnet:off(), % off it was, if not on
    ok;
telnet(Port) when is_integer(Port) -> telnet({{127, 0, 0, 1}, Port});
telnet({Text, Port}) when is_list(Text) ->
    case inet:parse_strict_address(Text) of
        {ok, Ip} -> telnet({Ip, Port});
        {error, _} -> loom_shell_help:failed("telnet", Text, "no address")
    end;
telnet({Ip, Port}) when is_integer(Port), Port >= 0, Port < 65536, tuple_size(Ip) =:= 4 orelse tuple_size(Ip) =:= 8 ->
    case loom_telnet:on(Ip, Port) of
        {ok, _} -> telnet();
        {error, Reason} -> loom_shell_help:failed("telnet", integer_to_list(Port), inet:format_error(Reason))
    end;
telnet(_) -> loom_shell_help:usage(telnet).
