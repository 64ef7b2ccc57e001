%% @doc Erlang distribution without the epmd daemon: a node's name ends in its port, as in `worker_41001@127.0.0.1'.
%%
%% For nodes that are started with
%% `-start_epmd false -epmd_module cambrian_epmd -kernel inet_dist_use_interface {127,0,0,1}'.
-module(cambrian_epmd).

-export([start_link/0, register_node/2, register_node/3, listen_port_please/2, port_please/2,
         port_please/3, address_please/3, names/1]).

%% The version of the distribution protocol since OTP 23.
-define(PROTOCOL, 6).

start_link() -> ignore.

register_node(Name, Port) -> register_node(Name, Port, inet).

register_node(_Name, _Port, _Family) -> {ok, rand:uniform(3)}.

%% Where this node listens.
listen_port_please(Name, _Host) -> {ok, port(Name)}.

port_please(Name, Host) -> port_please(Name, Host, infinity).

port_please(Name, _Host, _Timeout) -> {port, port(Name), ?PROTOCOL}.

address_please(_Name, Host, Family) -> inet:getaddr(Host, Family).

names(_Host) -> {error, address}.

%% 0, any free port, for a name that says none: such a node can call but not be called.
port(Name) ->
    case re:run(atom_or_string(Name), "_([0-9]+)$", [{capture, all_but_first, list}]) of
        {match, [Port]} -> list_to_integer(Port);
        nomatch -> 0
    end.

atom_or_string(Name) when is_atom(Name) -> atom_to_list(Name);
atom_or_string(Name) -> Name.
