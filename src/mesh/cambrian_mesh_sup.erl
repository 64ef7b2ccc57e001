%% @private
%% The supervisor of the realms and the bridges of this node.
-module(cambrian_mesh_sup).
-behaviour(supervisor).

-export([start_link/0, start_bridge/1, init/1]).

%% The names of the processes right below, and how long a start waits for each to be free.
-define(NAMES, [cambrian_realms, cambrian_transport_dist, cambrian_bridge_registry]).
-define(END_MS, 5000).

%% The caller, which is the top supervisor, owns the table of the realms: without a `data_dir' only
%% this table keeps a ban when the processes below are restarted.
start_link() ->
    ok = cambrian_realm_table:ensure(),
    lists:foreach(fun ended/1, ?NAMES),
    supervisor:start_link({local, ?MODULE}, ?MODULE, []).

%% The processes below a supervisor that was killed end a moment later by themselves. Until then
%% their names are taken, and each attempt to start their successors would count as a crash, until
%% the whole application ends.
ended(Name) ->
    Monitor = monitor(process, Name),
    receive {'DOWN', Monitor, process, _, _} -> ok
    after ?END_MS -> true = demonitor(Monitor, [flush]), ok
    end.

%% @doc Starts a bridge with checked options.
-spec start_bridge(map()) -> {ok, pid()} | {error, term()}.
start_bridge(#{realm := Realm} = Options) ->
    case supervisor:start_child(?MODULE, bridge(Options)) of
        {error, already_present} ->
            ok = supervisor:delete_child(?MODULE, {bridge, Realm}),
            start_bridge(Options);
        {error, {already_started, Pid}} = Error ->
            %% the supervisor may not know yet that a bridge has just stopped
            case is_process_alive(Pid) of
                true -> Error;
                false -> start_bridge(Options)
            end;
        {error, {Reason, _Child}} -> {error, Reason};
        Started -> Started
    end.

bridge(#{realm := Realm} = Options) ->
    #{id => {bridge, Realm}, start => {cambrian_bridge_server, start_link, [Options]},
      restart => transient}.

%% The application's environment may name bridges to start. `rest_for_one' restarts bridges after
%% the realms or the transport were restarted. If a stranger can crash a bridge, the populations
%% must not crash with it.
init([]) ->
    Environment = maps:from_list(application:get_all_env(cambrian)),
    {ok, Bridges} = cambrian_bridge_options:from_environment(Environment),
    {ok, {#{strategy => rest_for_one, intensity => 20, period => 10},
          [supervisor(cambrian_realms), cambrian_transport_dist:child_spec(),
           worker(cambrian_bridge_registry) | [bridge(Options) || Options <- Bridges]]}}.

worker(Module) -> #{id => Module, start => {Module, start_link, []}}.

supervisor(Module) -> (worker(Module))#{type => supervisor}.
