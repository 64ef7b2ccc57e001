%% With a module in place of telemetry, the events of `docs/events.md' arrive as the guide says.
-module(cambrian_telemetry_tests).
-include_lib("eunit/include/eunit.hrl").

%% Each event of the guide's table, with the measurements and metadata that it always has.
table() ->
    [{Event, names(Measurements), names(Metadata)}
     || Line <- string:split(guide(), "\n", all),
        {match, [Event, Measurements, Metadata]} <-
            [re:run(Line, "^\\| `(\\[cambrian, .*?\\])` \\| (.*) \\| (.*) \\|$",
                    [{capture, all_but_first, list}])]].

%% Names after a colon or an "and" are optional.
names(Cell) ->
    [Always | _] = re:split(Cell, ", and |: ", [{return, list}]),
    case re:run(Always, "`([a-z_]+)`", [global, {capture, all_but_first, list}]) of
        {match, Names} -> [list_to_atom(Name) || [Name] <- Names];
        nomatch -> []
    end.

guide() ->
    {ok, Bytes} = file:read_file(cambrian_checkout:path("docs/events.md")),
    unicode:characters_to_list(Bytes).

the_guide_has_exactly_the_events_of_the_code_test() ->
    Files = filelib:wildcard(cambrian_checkout:path("src/**/*.erl")),
    Sources = iolist_to_binary([element(2, file:read_file(File)) || File <- Files]),
    {match, Found} =
        re:run(Sources, "execute\\((\\[cambrian, [a-z_]+, [A-Za-z_]+\\])",
               [global, {capture, all_but_first, list}]),
    %% the bridge reports several events in one call
    {match, Reported} =
        re:run(Sources, "\\breport\\(([a-z_]+), Facts, State\\)",
               [global, {capture, all_but_first, list}]),
    Bridge = ["[cambrian, mesh, " ++ Event ++ "]" || [Event] <- Reported],
    InSources =
        lists:usort(lists:append([case Name of "[cambrian, mesh, Event]" -> Bridge; _ -> [Name] end
                                  || [Name] <- Found])),
    ?assertEqual(InSources, lists:sort([Name || {Name, _, _} <- table()])).

the_guide_has_every_message_of_a_population_test() ->
    {match, Found} =
        re:run(unicode:characters_to_binary(guide()), "(?m)^\\| `\\{([a-z_]+), [A-Z]",
               [global, {capture, all_but_first, list}]),
    {ok, Forms} = epp:parse_file(cambrian_checkout:path("src/run/cambrian_population.erl"), []),
    [Union] = [Tuples || {attribute, _, type, {event, {type, _, union, Tuples}, []}} <- Forms],
    ?assertEqual(lists:sort([atom_to_list(Kind)
                             || {type, _, tuple, [{atom, _, Kind} | _]} <- Union]),
                 lists:sort(lists:append(Found))).

%% What runs, and the events that follow.
events_come_as_the_guide_says_test_() ->
    Mesh = fun a_champion_goes_out_and_others_come_in/0,
    [{Title, {timeout, 60, fun() -> with_telemetry(fun() -> _ = Run(), check(Events) end) end}}
     || {Title, Run, Events} <-
            [{"a run emits its events",
              fun() -> {ok, _} = cambrian:evolve('xor', #{seed => 42}) end,
              ["[cambrian, generation, stop]", "[cambrian, champion, found]",
               "[cambrian, population, finished]"]},
             {"failed evaluations emit an event",
              fun() -> evolve(fun(_) -> error(on_purpose) end, #{generations => 1}) end,
              ["[cambrian, evaluation, exception]"]},
             {"a failed until fun emits an event",
              fun() -> evolve(fun(_) -> 1 end, #{until => fun(_) -> perhaps end}) end,
              ["[cambrian, population, failed]"]},
             {"a resumed population emits an event", fun crash/0,
              ["[cambrian, population, resumed]"]},
             {"a newcomer emits an event", fun inject/0, ["[cambrian, population, received]"]},
             {"a failed checkpoint emits an event", fun no_room/0,
              ["[cambrian, checkpoint, exception]"]},
             {"a pause emits its events", fun pause/0,
              ["[cambrian, governor, paused]", "[cambrian, governor, resumed]"]},
             {"a bridge emits its events", Mesh,
              ["[cambrian, mesh, published]", "[cambrian, mesh, announced]",
               "[cambrian, mesh, received]", "[cambrian, mesh, rejected]",
               "[cambrian, mesh, node_up]"]}]].

evolve(Fun, Goal) ->
    cambrian:evolve(Fun, maps:merge(#{inputs => 1, outputs => 1, population => 5}, Goal)).

crash() ->
    {ok, P} =
        cambrian_population:start(#{task => double_pole_novel, name => ?MODULE, target => 99}),
    ok = cambrian_population:run(P),
    exit(P, kill),
    cambrian_wait:until(fun() -> whereis(?MODULE) =/= P andalso is_pid(whereis(?MODULE)) end),
    cambrian_population:stop(?MODULE).

inject() ->
    {ok, #{champion := Champion}} = cambrian:evolve('xor', #{seed => 42}),
    {ok, P} = cambrian_population:start(#{task => 'xor', seed => 1}),
    ok = cambrian_population:inject(P, Champion),
    {ok, _} = cambrian_population:step(P, 1),
    cambrian_population:stop(P).

%% A file at the path of the directory while the population runs.
no_room() ->
    cambrian_temporary:with_dir(fun(Dir) ->
        Data = filename:join(Dir, "data"),
        ok = application:set_env(cambrian, data_dir, Data),
        try
            {ok, P} =
                cambrian_population:start(#{task => 'xor', seed => 1, name => ?MODULE,
                                            checkpoint_interval => 0}),
            ok = file:del_dir_r(Data),
            ok = file:write_file(Data, <<>>),
            {ok, _} = cambrian_population:step(P, 2),
            cambrian_population:stop(P)
        after application:unset_env(cambrian, data_dir)
        end
    end).

pause() ->
    ok = cambrian_governor:configure(#{pause_when => fun() -> true end}),
    ok = cambrian_governor:configure(#{pause_when => none}).

a_champion_goes_out_and_others_come_in() ->
    Realm = <<"org.example.telemetry">>,
    {ok, _} = cambrian_bridge:start(#{realm => Realm}),
    {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 7),
    {ok, _} = cambrian_bridge:publish_genotype(G, #{task => 'xor', fitness => 2.87}),
    Claims = #{realm => Realm, task => <<"xor">>, fitness => 2.87, generation => 0, sequence => 1,
               time => erlang:system_time(millisecond)},
    {ok, Bytes} = cambrian_envelope:seal(Claims, G, <<1:256>>),
    Heartbeat =
        cambrian_message:heartbeat(Realm, <<"a stranger">>, {erlang:system_time(millisecond), 5000},
                                   cambrian_identity:from_secret(<<2:256>>)),
    [cambrian_bridge_registry:whereis_name({gate, Realm}) ! {cambrian_transport, <<"genotype">>, B}
     || B <- [Bytes, Bytes, Heartbeat]],
    #{received := 3} = cambrian_bridge:counts(),
    {ok, P} = cambrian_population:start(#{task => 'xor', seed => 1}),
    {ok, _} = cambrian_population:step(P, 1),
    ok = cambrian_bridge:join(P),
    cambrian_wait:until(fun() -> is_map_key(announced, cambrian_bridge:counts()) end),
    cambrian_population:stop(P),
    cambrian_bridge:stop().

check(Names) ->
    Seen = all_seen(),
    [?assertEqual({Name, none},
                  {Name,
                   missing(Measurements, Metadata, [{M, D} || {N, M, D} <- Seen, N =:= Name])})
     || {Name, Measurements, Metadata} <- table(), lists:member(Name, Names)],
    %% and no event that the table lacks
    ?assertEqual([],
                 lists:usort([Name || {Name, _, _} <- Seen]) -- [Name || {Name, _, _} <- table()]),
    [?assertEqual({Name, []}, {Name, maps:keys(D) -- (Metadata ++ [origin, genotype])})
     || {Seen1, _, D} <- Seen, {Name, _, Metadata} <- table(), Seen1 =:= Name].

missing(_, _, []) -> never_seen;
missing(Measurements, Metadata, [{M, D} | _]) ->
    case {Measurements -- maps:keys(M), Metadata -- maps:keys(D),
          [V || V <- maps:values(M), not is_number(V)]} of
        {[], [], []} -> none;
        Others -> Others
    end.

all_seen() ->
    receive {telemetry, Event, Measurements, Metadata} ->
        Name =
            lists:append(["[",
                          lists:append(lists:join(", ", [atom_to_list(Part) || Part <- Event])),
                          "]"]),
        [{Name, Measurements, Metadata} | all_seen()]
    after 100 -> []
    end.

%%% ---- a telemetry --------------------------------------------------------------------------

with_telemetry(Test) ->
    {ok, _} = application:ensure_all_started(cambrian),
    true = register(cambrian_telemetry_listener, self()),
    Forms = [form("-module(telemetry)."), form("-export([execute/3])."),
             form("execute(E, M, D) -> catch cambrian_telemetry_listener ! {telemetry, E, M, D}, "
                  "ok.")],
    {ok, telemetry, Beam} = compile:forms(Forms),
    {module, telemetry} = code:load_binary(telemetry, "telemetry.beam", Beam),
    try Test()
    after
        true = code:delete(telemetry),
        _ = code:purge(telemetry),
        true = unregister(cambrian_telemetry_listener),
        _ = application:stop(cambrian)
    end.

form(Line) ->
    {ok, Tokens, _} = erl_scan:string(Line),
    {ok, Form} = erl_parse:parse_form(Tokens),
    Form.
