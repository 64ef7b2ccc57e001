%% What the logger writes about a crash shows no secret: neither the seed of the node's key nor the
%% token of the dashboard. Each process whose state holds one is crashed with its real state.
-module(cambrian_crash_report_tests).
-include_lib("eunit/include/eunit.hrl").
-export([log/2]).

-define(REALM, <<"org.example.crashed">>).

no_report_shows_a_secret_test_() -> {timeout, 120, fun no_report_shows_a_secret/0}.

no_report_shows_a_secret() ->
    _ = application:stop(cambrian),
    _ = application:load(cambrian),
    Seed = crypto:strong_rand_bytes(32),
    Token = cambrian_text:hex(crypto:strong_rand_bytes(16)),
    ok = application:set_env(cambrian, dashboard, #{port => 0, token => Token}),
    {ok, _} = application:ensure_all_started(cambrian),
    try
        {ok, _} = cambrian_bridge:start(#{realm => ?REALM, identity => Seed}),
        Reported = reports_of(fun() -> crashed(Seed, Token) end),
        %% the report contains the states
        ?assertNotEqual(nomatch, binary:match(Reported, ?REALM)),
        ?assertEqual([], [Form || {Form, Text} <- forms(Seed) ++ [{token, Token}],
                                  binary:match(Reported, Text) =/= nomatch])
    after
        _ = application:stop(cambrian),
        ok = application:unset_env(cambrian, dashboard)
    end.

%% Crashes every process that holds a secret, one after the other, and the supervisors last, since
%% they take the others along.
crashed(Seed, Token) ->
    Holders = [{Module, Pid} || {Module, Pid} <- ours(), holds([Seed, Token], Pid)],
    Modules = [Module || {Module, _} <- Holders],
    ?assertEqual([],
                 [cambrian_bridge_server, cambrian_dashboard_access, cambrian_mesh_sup] -- Modules),
    {Supervisors, Workers} = lists:partition(fun({_, Pid}) -> is_supervisor(Pid) end, Holders),
    [crash(Pid) || {_, Pid} <- Workers ++ Supervisors].

ours() ->
    [{Module, Pid} || Pid <- processes(),
                      {Module, init, _} <- [proc_lib:translate_initial_call(Pid), supervised(Pid)],
                      lists:prefix("cambrian_", atom_to_list(Module))].

%% The initial call of a supervisor is {supervisor, Module, 1}.
supervised(Pid) ->
    case proc_lib:translate_initial_call(Pid) of
        {supervisor, Module, _} -> {Module, init, 1};
        _ -> none
    end.

is_supervisor(Pid) -> supervised(Pid) =/= none.

%% The external form of a fun has its environment.
holds(Secrets, Pid) ->
    try sys:get_state(Pid, 2000) of
        State -> binary:match(term_to_binary(State), Secrets) =/= nomatch
    catch exit:_ -> false
    end.

%% The report of a gen_server has its state.
crash(Pid) ->
    Monitor = monitor(process, Pid),
    try sys:terminate(Pid, {crashed, by_a_test}) catch exit:_ -> ok end,
    receive {'DOWN', Monitor, process, Pid, _} -> ok end.

%% The start of each form, since a report may cut a long term.
forms(<<Start:8/binary, _/binary>>) ->
    [{raw, Start}, {hex, cambrian_text:hex(Start)}, {upper_hex, binary:encode_hex(Start)},
     {list, iolist_to_binary(lists:join(",", [integer_to_list(Byte) || <<Byte>> <= Start]))},
     {elixirs_list,
      iolist_to_binary(lists:join(", ", [integer_to_list(Byte) || <<Byte>> <= Start]))},
     {base64, binary:part(base64:encode(Start), 0, 10)}].

%%% ---- the log -----------------------------------------------------------------------------

reports_of(Fun) ->
    #{level := Level} = logger:get_primary_config(),
    Table = ets:new(reports, [public, ordered_set]),
    {ok, Default} = logger:get_handler_config(default),
    ok = logger:set_handler_config(default, level, none),
    ok = logger:set_primary_config(level, all),
    ok = logger:add_handler(?MODULE, ?MODULE, #{level => all, filter_default => log, filters => [],
                                                config => Table}),
    try
        _ = Fun(),
        iolist_to_binary([Text || {_, Text} <- ets:tab2list(Table)])
    after
        ok = logger:remove_handler(?MODULE),
        ok = logger:set_primary_config(level, Level),
        ok = logger:set_handler_config(default, level, maps:get(level, Default))
    end.

%% A logger handler that cuts nothing.
log(Event, #{config := Table}) ->
    Text = logger_formatter:format(Event, #{depth => unlimited, chars_limit => unlimited}),
    true =
        ets:insert(Table, {erlang:unique_integer([monotonic]), unicode:characters_to_binary(Text)}),
    ok.
