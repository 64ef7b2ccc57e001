%% Unexpected messages to every process of Cambrian: none dies, and a run ends with the same
%% result.
-module(cambrian_stray_SUITE).
-include_lib("stdlib/include/assert.hrl").
-compile([export_all, nowarn_export_all]).

-define(REALM, <<"org.example.stray">>).
-define(GENERATIONS, 40).

suite() -> [{timetrap, {minutes, 5}}].

all() ->
    [stray_messages_change_no_run, a_call_of_unknown_shape_is_an_error,
     messages_that_an_until_fun_leaves_behind_change_no_run,
     a_progress_fun_that_leaves_messages_behind_is_called_on,
     stray_messages_do_not_stop_a_simulated_network].

init_per_testcase(_, Config) ->
    {ok, _} = application:ensure_all_started(cambrian),
    Config.

end_per_testcase(_, _) -> application:stop(cambrian).

%% Populations of every kind, a program, a bridge that looks for other nodes, and a dashboard with
%% a client.
stray_messages_change_no_run(_) ->
    Alone = [result(P) || P <- populations(none)],
    Ran = populations(guests()),
    Found = bombarded(fun() -> lists:all(fun is_through/1, Ran) end, []),
    ?assertEqual(Alone, [result(P) || P <- Ran]),
    Expected =
        [cambrian_bridge_registry, cambrian_crew, cambrian_dashboard_access,
         cambrian_dashboard_listener, cambrian_dashboard_state, cambrian_discovery,
         cambrian_evaluator, cambrian_bridge_server, cambrian_governor, cambrian_lineage,
         cambrian_population_server,
         cambrian_program_pool, cambrian_program_process, cambrian_program_warden,
         cambrian_realm_server, cambrian_recorder, cambrian_store,
         cambrian_transport_dist],
    ?assertEqual([], Expected -- [module(Call) || {_, Call} <- Found]).

populations(Guests) ->
    Slow =
        fun(Network) ->
            [O] = cambrian_network:activate(Network, [0.5]),
            lists:sum(lists:seq(1, 20_000)) * 0 - abs(O - 0.25) end,
    Ps = [begin
              {ok, P} = cambrian_population:start(Options#{seed => 7, generations => ?GENERATIONS}),
              P
          end
          || Options <- [#{task => Slow, inputs => 1, outputs => 1, population => 30, target => 1},
                         #{task => double_pole_novel, target => 1.0e9, population => 60}]],
    _ = [Guests(P) || P <- Ps, is_function(Guests)],
    _ = [ok = cambrian_population:run(P) || P <- Ps],
    Ps.

guests() ->
    {ok, _} = cambrian_bridge:start(#{realm => ?REALM, populations => all, publish => false,
                                      transport_options =>
                                          #{discovery => {static, ['nobody@127.0.0.1']}}}),
    {ok, _} = cambrian_dashboard:start(#{port => 0}),
    {ok, _} = cambrian_bridge:subscribe_genotypes(all, self()),
    ok = cambrian_trust:subscribe(?REALM),
    _ = cambrian_program_pool:lease(#{command => "cat", args => [], env => []}, 1, fun() -> ok end),
    _ = cambrian_dashboard_state:watch(),
    fun(P) -> {ok, R} = cambrian_recorder:start(P), put(P, R) end.

is_through(P) -> maps:get(state, cambrian_population_client:overview(P)) =:= finished.

result(P) ->
    {ok, #{champion := Champion, generations := Generations, evaluations := Evaluations}} =
        cambrian_population:await(P, infinity),
    {cambrian_genotype:id(Champion), Generations, Evaluations}.

%% Sends the messages until the run is over, and once more. Returns all processes, of which only
%% workers may be gone, since they are restarted.
bombarded(IsOver, Seen) ->
    Here = processes_of_ours(),
    Over = IsOver(),
    _ = [Pid ! Stray || {Pid, _} <- Here, Stray <- strays(Pid)],
    answered([Pid || {Pid, Call} <- Here, Call =/= worker]),
    Known = lists:usort(Here ++ Seen),
    ?assertEqual([],
                 [{Pid, Call} || {Pid, Call} <- Known, Call =/= worker, not is_process_alive(Pid)]),
    case Over of
        true -> Known;
        false -> bombarded(IsOver, Known)
    end.

%% A process that answers has read all earlier messages.
answered(Pids) -> _ = [_ = sys:get_status(Pid, infinity) || Pid <- Pids], ok.

strays(Pid) ->
    [Port | _] = erlang:ports(),
    %% a worker may have ended
    Links = case process_info(Pid, links) of {links, All} -> All; undefined -> [] end,
    Others =
        [self(), Pid,
         whereis(cambrian_store) | [Link || Link <- Links, is_pid(Link), not is_supervisor(Link)]],
    [{'DOWN', make_ref(), process, Other, killed} || Other <- Others]
        ++ [{'DOWN', make_ref(), process, {cambrian_transport_dist, node()}, killed},
            {'DOWN', make_ref(), port, Port, normal},
            {'EXIT', self(), killed}, {'EXIT', Port, normal}, {make_ref(), {ok, late}},
            {make_ref(), {error, late}}, {[alias | make_ref()], late},
            {nodeup, 'a@b'}, {nodedown, 'a@b'}, {nodeup, 'a@b', []}, timeout,
            {timeout, make_ref(), look}, {timeout, make_ref(), tick},
            {timeout, make_ref(), <<"message">>}, {udp, Port, {127, 0, 0, 1}, 9, <<"bytes">>},
            {tcp, Port, <<"bytes">>},
            {tcp_closed, Port}, {Port, {data, <<"bytes">>}}, {Port, {exit_status, 1}},
            {Port, closed}, {io_request, self(), make_ref(), getopts},
            {system, {self(), make_ref()}, no_such_question}, {'$gen_cast', none_of_yours},
            {'$gen_cast', {evaluate, 1}},
            {'$gen_call', {self(), make_ref()}, none_of_yours},
            {cambrian, no_such_population, {generation, #{}}},
            {cambrian_transport, <<"no such topic">>, <<>>},
            {cambrian_transport, <<"genotype">>, no_bytes},
            {cambrian_trust, ?REALM, none_of_yours}, {cambrian_store, population, nobody, nobody},
            {rejoin, nobody},
            {'CHANGE', make_ref(), time_offset, clock_service, 0},
            {answer, self(), make_ref(), 1, 1.0, ready}, {too_late, self()},
            {idle, self(), make_ref()}, {gc, info}, word, "text", #{}, <<0:8000>>].

%% The processes under the root supervisor, and all that are linked to them.
processes_of_ours() ->
    Tree = below(cambrian_sup),
    Linked =
        lists:foldl(fun linked/2, #{}, Tree ++ [Recorder || {P, Recorder} <- get(), is_pid(P)]),
    [{Pid, Call} || {Pid, Call} <- maps:to_list(Linked), Call =/= foreign].

below(Supervisor) ->
    lists:append([case Type of worker -> [Pid]; supervisor -> below(Pid) end
                  || {Id, Pid, Type, _} <- children(Supervisor), is_pid(Pid),
                  Id =/= cambrian_transport_dist]).

children(Supervisor) ->
    try supervisor:which_children(Supervisor) catch exit:_ -> [] end.

linked(Pid, Found) when is_map_key(Pid, Found) -> Found;
linked(Pid, Found) ->
    case process_info(Pid, [links, initial_call]) of
        [{links, Links}, {initial_call, Call}] ->
            Kind = kind(Pid, Call),
            Next =
                case Kind of
                    foreign -> [];
                    _ -> [Link || Link <- Links, is_pid(Link), Link =/= self()]
                end,
            lists:foldl(fun linked/2, Found#{Pid => Kind}, Next);
        undefined -> Found
    end.

kind(Pid, Call) ->
    case {is_supervisor(Pid), proc_lib:translate_initial_call(Pid)} of
        {true, _} -> foreign;
        {false, {Module, init, 1} = Ours} ->
            case atom_to_list(Module) of
                "cambrian_" ++ _ -> Ours;
                _ -> foreign
            end;
        %% a worker, or the process that sends for a bridge
        {false, _} when Call =:= {erlang, apply, 2} -> worker;
        {false, _} -> foreign
    end.

is_supervisor(Pid) ->
    case proc_lib:translate_initial_call(Pid) of
        {supervisor, _, _} -> true;
        _ -> false
    end.

module({Module, _, _}) -> Module;
module(Kind) -> Kind.

a_call_of_unknown_shape_is_an_error(_) ->
    Ps = populations(guests()),
    Servers = [{Pid, module(Call)} || {Pid, Call} <- processes_of_ours(), Call =/= worker],
    ?assertEqual([],
                 [{Module, Answer}
                  || {Pid, Module} <- Servers, Call <- [none_of_yours, {not_one, yours}],
                                      Answer <- [gen_server:call(Pid, Call, infinity)],
                  Answer =/= {error, unknown_call}]),
    _ = [ok = cambrian_population:stop(P) || P <- Ps].

%% The fun runs in the population's process.
messages_that_an_until_fun_leaves_behind_change_no_run(_) ->
    Run = fun(Leave) ->
              Until = fun(#{generation := 5}) -> Leave(), false; (_) -> false end,
              {ok, #{champion := Champion, generations := 20}} =
                  cambrian:evolve('xor',
                                  #{seed => 3, target => 99, generations => 20, until => Until}),
              cambrian_genotype:id(Champion)
          end,
    Quiet = Run(fun() -> ok end),
    ?assertEqual([Quiet, Quiet, Quiet],
                 [Run(Leave) || Leave <- [fun() -> spawn_monitor(fun() -> ok end) end,
                                          fun() -> spawn_link(fun() -> exit(failed) end) end,
                                          fun() ->
                                              monitor(process, nobody), self() ! {make_ref(), ok}
                                          end]]).

a_progress_fun_that_leaves_messages_behind_is_called_on(_) ->
    Self = self(),
    Show =
        fun(#{generation := Generation}) ->
            Self ! {shown, Generation}, _ = spawn_monitor(fun() -> ok end) end,
    {ok, _} =
        cambrian:evolve('xor', #{seed => 3, target => 99, generations => 5, progress => Show}),
    ?assertEqual([0, 1, 2, 3, 4], shown()).

shown() -> receive {shown, Generation} -> [Generation | shown()] after 0 -> [] end.

%% The nodes of the network still hear each other.
stray_messages_do_not_stop_a_simulated_network(_) ->
    {ok, Network} = cambrian_transport_sim:start(#{seed => 1}),
    [{ok, A}, {ok, B}] =
        [cambrian_transport_sim:connect(#{realm => ?REALM, network => Network}) || _ <- [1, 2]],
    %% messages of another process, since this one is the owner
    {Stranger, Monitor} = spawn_monitor(fun() -> [Network ! Stray || Stray <- strays(Network)] end),
    receive {'DOWN', Monitor, process, Stranger, Reason} -> ?assertEqual(normal, Reason) end,
    ?assertEqual({error, unknown_call}, gen_server:call(Network, none_of_yours, infinity)),
    ok = cambrian_transport_sim:serve(B, <<"ask">>, fun(Bytes, _From) -> Bytes end),
    ?assertEqual({ok, <<"still here">>},
                 cambrian_transport_sim:call(A, cambrian_transport_sim:address(B), <<"ask">>,
                                             <<"still here">>, 60_000)),
    ok = cambrian_transport_sim:stop(Network).
