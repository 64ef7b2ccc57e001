%% @doc Erlang distribution without the epmd daemon: a node's name ends in its port, as in
%% `worker_41001@127.0.0.1'.
%%
%% For nodes started with
%% `-start_epmd false -epmd_module cambrian_epmd -kernel inet_dist_use_interface {127,0,0,1}'.
-module(cambrian_epmd).

-export([start_link/0, register_node/2, register_node/3, listen_port_please/2, port_please/2,
         port_please/3, address_please/3, names/1]).

%% The version of the distribution protocol since OTP 23.
-define(PROTOCOL, 6).

-type name() :: atom() | string().

%% @doc Starts no process, because none is needed.
%%
%% ```
%% 1> cambrian_epmd:start_link().
%% ignore
%% '''
-spec start_link() -> ignore.
start_link() -> ignore.

%% @doc Registers a node for IPv4, like {@link register_node/3}.
-spec register_node(name(), inet:port_number()) -> {ok, pos_integer()}.
register_node(Name, Port) -> register_node(Name, Port, inet).

%% @doc Registers nothing. Returns a creation: 32 random bits that distinguish this start of the
%% node from an earlier start.
%%
%% ```
%% 1> {ok, Creation} = cambrian_epmd:register_node("worker_41001", 41001, inet).
%% 2> Creation > 3 andalso Creation < 1 bsl 32.
%% true
%% '''
-spec register_node(name(), inet:port_number(), inet:address_family()) -> {ok, pos_integer()}.
register_node(_Name, _Port, _Family) -> {ok, 3 + rand:uniform((1 bsl 32) - 4)}.

%% @doc The port of this node. It is 0 (any free port) if the node's name does not end in a port.
%%
%% ```
%% 1> cambrian_epmd:listen_port_please(worker_41001, "127.0.0.1").
%% {ok,41001}
%% 2> cambrian_epmd:listen_port_please(worker, "127.0.0.1").
%% {ok,0}
%% '''
-spec listen_port_please(name(), inet:hostname()) -> {ok, inet:port_number()}.
listen_port_please(Name, _Host) -> {ok, port(Name)}.

%% @doc The same as {@link port_please/3}.
-spec port_please(name(), inet:hostname()) -> {port, inet:port_number(), pos_integer()}.
port_please(Name, Host) -> port_please(Name, Host, infinity).

%% @doc The port of a node and the version of its protocol, which is 6 since OTP 23. Sends no query.
%%
%% ```
%% 1> cambrian_epmd:port_please("worker_41001", "127.0.0.1", infinity).
%% {port,41001,6}
%% '''
-spec port_please(name(), inet:hostname(), timeout()) -> {port, inet:port_number(), pos_integer()}.
port_please(Name, _Host, _Timeout) -> {port, port(Name), ?PROTOCOL}.

%% @doc The address of a host.
%%
%% ```
%% 1> cambrian_epmd:address_please("worker_41001", "127.0.0.1", inet).
%% {ok,{127,0,0,1}}
%% '''
-spec address_please(name(), inet:hostname(), inet:address_family()) ->
          {ok, inet:ip_address()} | {error, inet:posix()}.
address_please(_Name, Host, Family) -> inet:getaddr(Host, Family).

%% @doc Always an error: there is no list of nodes.
%%
%% ```
%% 1> cambrian_epmd:names("127.0.0.1").
%% {error,address}
%% '''
-spec names(inet:hostname()) -> {error, address}.
names(_Host) -> {error, address}.

%% 0 (any free port) if the name does not end in a port. Such a node can connect to other nodes, but
%% they cannot connect to it.
port(Name) ->
    case re:run(atom_or_string(Name), "_([0-9]+)$", [{capture, all_but_first, list}]) of
        {match, [Port]} -> list_to_integer(Port);
        nomatch -> 0
    end.

atom_or_string(Name) when is_atom(Name) -> atom_to_list(Name);
atom_or_string(Name) -> Name.
