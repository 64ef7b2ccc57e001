%% The bridge of one node without others: its options, its populations and what strangers cost it.
-module(cambrian_bridge_SUITE).
-include_lib("stdlib/include/assert.hrl").
-compile([export_all, nowarn_export_all]).
-import(cambrian_wait, [until/1]).

-define(REALM, <<"org.example.test">>).

all() ->
    [a_misspelt_population_is_reported_as_missing,
     a_population_without_a_name_takes_part_again_after_a_crash,
     a_population_whose_fitness_is_of_its_own_run_takes_no_part,
     a_transport_that_hangs_does_not_block_the_bridge,
     the_status_of_a_bridge_does_not_show_its_secret, options_are_checked,
     a_grant_is_checked_when_the_bridge_starts, a_node_that_may_not_publish_says_so,
     a_key_without_a_file_is_not_rotated, a_costly_champion_is_refused_before_its_evaluation,
     genotypes_that_stall_cost_their_origin_reputation].

%% A warning names the missing population once, the status shows it while it is missing, and it
%% takes part when it starts.
a_misspelt_population_is_reported_as_missing(_Config) ->
    {ok, _} = application:ensure_all_started(cambrian),
    ok = cambrian_logged:start(),
    try
        {ok, _} = cambrian_bridge:start(#{realm => ?REALM, populations => [pole, polee]}),
        ?assertMatch(#{populations := [], missing := [pole, polee]}, cambrian_bridge:status()),
        {ok, _} = cambrian_population:start(#{task => 'xor', name => pole}),
        until(fun() -> maps:get(populations, cambrian_bridge:status()) =:= [pole] end),
        ?assertMatch(#{missing := [polee]}, cambrian_bridge:status()),
        ok = cambrian_population:stop(pole),
        until(fun() -> maps:get(missing, cambrian_bridge:status()) =:= [pole, polee] end),
        {ok, _} = cambrian_population:start(#{task => 'xor', name => pole}),
        until(fun() -> maps:get(missing, cambrian_bridge:status()) =:= [polee] end),
        ok = cambrian_population:stop(pole),
        ok = cambrian_bridge:stop(),
        Missing =
            "cambrian: the population ~s does not run; the bridge of realm org.example.test adds "
            "it when it starts",
        Here = "cambrian: the population pole runs now, and takes part in realm org.example.test",
        Said =
            [{warning, lists:flatten(io_lib:format(Missing, [Name]))}
             || Name <- ["pole", "polee"]] ++ [{notice, Here}, {notice, Here}],
        ?assertEqual(Said,
                     [{Level, Text}
                      || {Level, "cambrian: the population" ++ _ = Text} <- cambrian_logged:said()])
    after cambrian_logged:stop()
    end.

%% A population without a registered name has another pid after a crash, and takes part again.
a_population_without_a_name_takes_part_again_after_a_crash(_Config) ->
    {ok, _} = application:ensure_all_started(cambrian),
    {ok, P} = cambrian_population:start(#{task => 'xor'}),
    {ok, _} = cambrian_bridge:start(#{realm => ?REALM, populations => [P]}),
    #{populations := [Name]} = cambrian_bridge:status(),
    exit(P, kill),
    until(fun() -> maps:get(populations, cambrian_bridge:status()) =:= [] end),
    until(fun() -> maps:get(populations, cambrian_bridge:status()) =:= [Name] end),
    ok = cambrian_population:stop(P),
    until(fun() -> maps:get(populations, cambrian_bridge:status()) =:= [] end),
    ok = cambrian_bridge:stop().

%% Other nodes would measure another fitness than it claims.
a_population_whose_fitness_is_of_its_own_run_takes_no_part(_Config) ->
    {ok, _} = application:ensure_all_started(cambrian),
    ok = cambrian_logged:start(),
    try
        {ok, _} = cambrian_population:start(#{task => {?MODULE, normalised}, name => varying}),
        {ok, _} = cambrian_population:start(#{task => {?MODULE, plain}, name => fixed}),
        {ok, _} = cambrian_bridge:start(#{realm => ?REALM, populations => all}),
        until(fun() -> maps:get(populations, cambrian_bridge:status()) =:= [fixed] end),
        ?assertMatch([_], [Text || {warning, "cambrian: the population varying takes no part in "
                                             "realm org.example.test" ++ _ = Text}
                                       <- cambrian_logged:said()]),
        ok = cambrian_bridge:stop(),
        ok = cambrian_population:stop(varying),
        ok = cambrian_population:stop(fixed)
    after cambrian_logged:stop()
    end.

%% As an environment.
init(Kind) -> {ok, #{inputs => 1, outputs => 1, steps => 3, normalise => Kind =:= normalised}, []}.
reset(_Episode, Config) -> {[0.5], Config}.
step([Output], State) -> {[Output], Output, State}.

%% The transport hangs: callers do not wait, and only the messages above a bound are lost.
a_transport_that_hangs_does_not_block_the_bridge(_Config) ->
    {ok, _} = application:ensure_all_started(cambrian),
    {ok, Bridge} =
        cambrian_bridge:start(#{realm => <<"stuck">>, transport => cambrian_stuck_transport}),
    {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 1),
    Ids =
        [cambrian_bridge:publish_genotype(G, #{task => 'xor', fitness => N})
         || N <- lists:seq(1, 3000)],
    ?assertEqual([{ok, cambrian_genotype:id(G)}], lists:usort(Ids)),
    ?assertEqual([], cambrian_bridge:list_nodes()),
    #{published := 3000, not_said := Lost} = cambrian_bridge:counts(),
    ?assert(Lost >= 1990 andalso Lost =< 2010),
    ok = cambrian_bridge:stop(),
    ?assertNot(is_process_alive(Bridge)).

the_status_of_a_bridge_does_not_show_its_secret(_Config) ->
    Secret = cambrian_identity:new(),
    {ok, _} = application:ensure_all_started(cambrian),
    {ok, Bridge} = cambrian_bridge:start_link(#{realm => <<"x">>, identity => fun() -> Secret end}),
    Shown = unicode:characters_to_binary(io_lib:format("~p", [sys:get_status(Bridge)])),
    Plain = unicode:characters_to_binary(io_lib:format("~p", [Secret])),
    <<First:8/binary, _/binary>> = Secret,
    [Numbers] = io_lib:format("~w", [binary_to_list(First)]),
    ?assertEqual(nomatch,
                 binary:match(Shown,
                              [Plain,
                               unicode:characters_to_binary(string:trim(Numbers, both, "[]"))])),
    ?assertMatch(<<_:32/binary>>, cambrian_bridge:identity()),
    ok = cambrian_bridge:stop().

%% Without a file the new key could not be kept: nothing changes, and no node hears of another
%% key.
a_key_without_a_file_is_not_rotated(_Config) ->
    _ = application:stop(cambrian),
    _ = [begin
             {ok, _} = cambrian_bridge:start(Identity#{realm => ?REALM}),
             Key = cambrian_bridge:identity(),
             ?assertEqual({error, {no_identity_file, [?REALM]}}, cambrian_bridge:rotate()),
             ?assertEqual(Key, cambrian_bridge:identity()),
             ok = cambrian_bridge:stop()
         end || Identity <- [#{identity => <<1:256>>}, #{identity => fun() -> <<1:256>> end}, #{}]].

%% A grant that all nodes would refuse is an error at the start.
a_grant_is_checked_when_the_bridge_starts(_Config) ->
    Owner = <<9:256>>,
    Now = erlang:system_time(millisecond),
    Sealed =
        fun(Realm, Key, Times) ->
            {ok, Bytes} = cambrian_nif:identity_grant(Owner, Realm, Key, Times), Bytes end,
    Key = cambrian_identity:public_key(<<1:256>>),
    Good = Sealed(?REALM, Key, {Now, Now + 3_600_000}),
    Start =
        fun(Grant) ->
            cambrian_bridge:start(#{realm => ?REALM, identity => <<1:256>>, grant => Grant}) end,
    Signed = <<"a grant as its owners signed it, from cambrian_identity:grant/4">>,
    Size = byte_size(Good) - 1,
    <<Head:Size/binary, Last>> = Good,
    Hex = fun(K) -> string:lowercase(binary:encode_hex(K)) end,
    _ = [begin
             ?assertEqual({error, {bad_option, {grant, Grant, Expected}}}, Start(Grant)),
             ?assertEqual([], cambrian_bridge:realms())
         end
         || {Grant, Expected} <-
                [{<<"nope">>, Signed}, {<<Head/binary, (Last bxor 1)>>, Signed},
                 {Sealed(<<"else">>, Key, {Now, Now + 3_600_000}),
                  <<"a grant for the realm ", ?REALM/binary, "; this one is for else">>},
                 {Sealed(?REALM, <<7:256>>, {Now, Now + 3_600_000}),
                  <<"a grant for the key of this node, ", (Hex(Key))/binary, "; this one is for ",
                    (Hex(<<7:256>>))/binary>>},
                 {Sealed(?REALM, Key, {0, 1_000_000}),
                  <<"a grant that has not ended; this one ended at 1970-01-01T00:16:40Z">>}]],
    {ok, _} = Start(Good),
    ok = cambrian_bridge:stop().

%% The status shows it, by the realm's options on this node. A node that is to publish logs a
%% warning too.
a_node_that_may_not_publish_says_so(_Config) ->
    Owner = <<9:256>>,
    Owned =
        #{realm => ?REALM, identity => <<1:256>>,
          capability => {signed_by, cambrian_identity:public_key(Owner)}},
    Grant = fun(Until) ->
                {ok, Bytes} =
                    cambrian_identity:grant(Owner, ?REALM, cambrian_identity:public_key(<<1:256>>),
                                            Until),
                Bytes
            end,
    Later = erlang:system_time(millisecond) + 3_600_000,
    {Shows, Warns, Silent} = {#{may_publish => false}, 1, #{}},
    _ = [?assertEqual({Options, Shown, Warnings}, begin {S, W} = seen(Options), {Options, S, W} end)
         || {Options, Shown, Warnings} <-
                [{Owned, Shows, Warns}, {Owned#{publish => false}, Shows, 0},
                 {Owned#{grant => Grant(Later)}, Silent, 0}, {Owned#{identity => Owner}, Silent, 0},
                 {Owned#{capability => {invited, [<<7:256>>]}}, Shows, Warns},
                 {Owned#{capability => {invited, [cambrian_identity:public_key(Owner)]},
                         grant => Grant(Later)}, Silent, 0},
                 {Owned#{capability => {keys, [<<7:256>>]}}, Shows, Warns},
                 {Owned#{capability => {work, 4}}, Silent, 0},
                 {Owned#{capability => open}, Silent, 0}]],
    %% a grant that ends while the bridge runs, whatever the realm's options on this node
    _ = [begin
             Soon = erlang:system_time(millisecond) + 2000,
             {ok, _} =
                 cambrian_bridge:start(Owned#{capability => Capability, grant => Grant(Soon)}),
             true =
                 cambrian_wait:until(fun() ->
                     maps:with([may_publish], cambrian_bridge:status()) =:= Shows end),
             %% after a crash the bridge starts again and still takes genotypes in
             Bridge = cambrian_bridge_registry:whereis_name(?REALM),
             exit(Bridge, kill),
             true = cambrian_wait:until(fun() ->
                        New = cambrian_bridge_registry:whereis_name(?REALM),
                        is_pid(New) andalso New =/= Bridge
                    end),
             ?assertEqual(Shows, maps:with([may_publish], cambrian_bridge:status())),
             ok = cambrian_bridge:stop()
         end || Capability <- [open, maps:get(capability, Owned)]].

seen(Options) ->
    ok = cambrian_logged:start(),
    {ok, _} = cambrian_bridge:start(Options),
    Shown = maps:with([may_publish], cambrian_bridge:status()),
    Warnings =
        length([Text
                || {warning, Text} <- cambrian_logged:said(),
                string:find(Text, "may not publish") =/= nomatch]),
    ok = cambrian_logged:stop(),
    ok = cambrian_bridge:stop(),
    {Shown, Warnings}.

options_are_checked(_Config) ->
    ?assertEqual({error, {missing_options, [realm]}}, cambrian_bridge:start_link(#{})),
    ?assertMatch({error, {unknown_option, relm, _}},
                 cambrian_bridge:start_link(#{realm => <<"x">>, relm => 1})),
    ?assertMatch({error, {bad_option, {realm, lab, _}}},
                 cambrian_bridge:start_link(#{realm => lab})),
    _ = [?assertMatch({error, {bad_option, {Name, Value, _}}},
                      cambrian_bridge:start_link(#{realm => <<"x">>, Name => Value}))
         || {Name, Value} <- [{capability, closed}, {rate, {0, 1}}, {tolerance, -1},
                              {grant, none}]],
    _ = [?assertMatch({error, {bad_option, {identity, Kind, _}}},
                      cambrian_bridge:start_link(#{realm => <<"x">>, identity => Value}))
         || {Kind, Value} <- [{<<"a binary of 0 bytes">>, <<>>},
                              {<<"a binary of 31 bytes">>, <<1:248>>}, {<<"an integer">>, 1},
                              {<<"a fun of arity 1">>, fun(_) -> <<1:256>> end},
                              %% it may be a path or a secret
                              {<<"a binary of 32 bytes">>,
                               <<"/var/lib/cambrian/keys/identity_">>}]],
    {ok, G} = cambrian_genotype:new(#{inputs => 1, outputs => 1}, 1),
    Claims = #{task => 'xor', fitness => 1},
    _ = [?assertMatch({error, {bad_option, {Key, Value, _}}},
                      cambrian_bridge:publish_genotype(G, Claims#{Key => Value}))
         || {Key, Value} <- [{task, 1}, {fitness, a}, {generation, -1}, {parents, [1]},
                          {operators, [1]}]],
    ?assertMatch({error, {unknown_option, fitnes, _}},
                 cambrian_bridge:publish_genotype(G, Claims#{fitnes => 1})),
    ?assertEqual({error, {missing_options, [fitness]}},
                 cambrian_bridge:publish_genotype(G, #{task => 'xor'})),
    ?assertError(function_clause, cambrian_bridge:subscribe_genotypes(1, self())),
    ?assertError(function_clause, cambrian_bridge:join(<<"nobody">>)),
    process_flag(trap_exit, true),
    ?assertEqual({error, {transport_unavailable, no_such_transport}},
                 cambrian_bridge:start_link(#{realm => <<"x">>, transport => no_such_transport})).

%%% ---- costs of strangers -----------------------------------------------------------------

%% A population, its bridge and a stranger's connection in one VM.
besieged(Options, Bridge) ->
    _ = application:stop(cambrian),
    {ok, _} = application:ensure_all_started(cambrian),
    {ok, _} = cambrian_population:start(Options#{name => besieged, target => 1.0e9}),
    {ok, _} = cambrian_population:step(besieged, 1),
    ok = cambrian_population:subscribe(besieged),
    {ok, _} = cambrian_bridge:start(Bridge#{realm => ?REALM, populations => [besieged]}),
    {ok, Stranger} = cambrian_transport_dist:connect(#{realm => ?REALM}),
    Stranger.

relieved(Stranger) ->
    ok = cambrian_transport_dist:disconnect(Stranger),
    ok = cambrian_bridge:stop(),
    ok = cambrian_population:stop(besieged),
    application:stop(cambrian).

sends(Stranger, Secret, Genotype, Claims) ->
    #{task_id := Task} = cambrian_population:info(besieged),
    {ok, Bytes} =
        cambrian_envelope:seal(maps:merge(#{realm => ?REALM, task => Task, fitness => 1.0,
                                            generation => 0,
                                            sequence =>
                                                erlang:unique_integer([positive, monotonic]),
                                            time => erlang:system_time(millisecond)}, Claims),
                               Genotype, Secret),
    ok = cambrian_transport_dist:publish(Stranger, <<"genotype">>, Bytes).

received_of(Id) ->
    receive {cambrian, besieged, {received, #{id := Id} = Received}} -> Received
    after 300_000 -> error({nothing_received, cambrian_bridge:why(Id)})
    end.

%% A champion with the claimed fitness and 20,000 neurons that do nothing: no node evaluates it,
%% and the user sees the reason.
a_costly_champion_is_refused_before_its_evaluation(_) ->
    {ok, #{champion := Champion, fitness := Fitness}} =
        cambrian:evolve(double_pole_novel, #{seed => 42, generations => 60}),
    Stranger = besieged(#{task => double_pole_novel, seed => 4, population => 50}, #{}),
    Bloated = cambrian_populations:bloated(Champion, 20_000),
    Id = cambrian_genotype:id(Bloated),
    ok = cambrian_population:run(besieged),
    sends(Stranger, <<1:256>>, Bloated, #{fitness => Fitness}),
    #{outcome := too_costly, cost := Cost, median := Median, bound := Bound} = received_of(Id),
    Judged = until(fun() -> judged_here(Id) end),
    ?assertMatch(#{outcome := too_costly, cost := Cost, median := Median, bound := Bound,
                   claimed := Fitness}, Judged),
    ?assertMatch([#{outcome := too_costly, genotype := Id, cost := Cost}],
                 cambrian_bridge:migrations()),
    ?assertMatch(#{{rejected, too_costly} := 1}, cambrian_bridge:counts()),
    ?assertMatch([#{reason := too_costly, genotype := Id}], cambrian_trust:refusals(?REALM)),
    ?assertEqual(0.5, cambrian_trust:reputation(?REALM, cambrian_identity:public_key(<<1:256>>))),
    %% the same champion without these neurons is taken in while the population runs
    sends(Stranger, <<1:256>>, Champion, #{fitness => Fitness}),
    ?assertMatch(#{outcome := accepted, fitness := Fitness, work := _},
                 received_of(cambrian_genotype:id(Champion))),
    relieved(Stranger).

judged_here(Id) ->
    case [Step || #{step := judged} = Step <- cambrian_bridge:why(Id)] of
        [Judged | _] -> Judged;
        [] -> false
    end.

%% Genotypes that cannot be measured here cost their origin reputation, and the fifth bans its
%% key. The population goes on meanwhile.
genotypes_that_stall_cost_their_origin_reputation(_) ->
    Task = fun(Network) ->
               case cambrian_network:info(Network) of
                   #{connections := Connections} when Connections > 5 -> receive never -> 1.0 end;
                   _ -> 1.0
               end
           end,
    Frozen = #{add_node => 0.0, add_connection => 0.0, add_recurrent => 0.0},
    Stranger =
        besieged(#{task => Task, inputs => 2, outputs => 1, seed => 4, population => 20,
                   evaluation_timeout => infinity,
                   newcomer_timeout => 100, params => Frozen}, #{evaluation_share => 0.99}),
    ok = cambrian_population:run(besieged),
    Key = cambrian_identity:public_key(<<1:256>>),
    Reputation = fun() -> cambrian_trust:reputation(?REALM, Key) end,
    _ = [begin
             Before = Reputation(),
             Genotype = with_connections(7, Seed),
             sends(Stranger, <<1:256>>, Genotype, #{}),
             ?assertMatch(#{outcome := failed, work := Work} when Work > 0,
                          received_of(cambrian_genotype:id(Genotype))),
             until(fun() -> Reputation() < Before end)
         end || Seed <- lists:seq(1, 5)],
    ?assertMatch([#{what := {key, Key}, by := reputation}], cambrian_trust:bans(?REALM)),
    {ok, #{generation := Generation}} = cambrian_population:stats(besieged),
    until(fun() ->
        maps:get(generation, element(2, cambrian_population:stats(besieged))) > Generation end),
    relieved(Stranger).

%% A genotype with so many connections, from two inputs over hidden nodes to an output.
with_connections(Wanted, Seed) ->
    {ok, First} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, Seed),
    Grow = fun Grow(Genotype, N) ->
               case cambrian_network:info(cambrian_network:compile(Genotype)) of
                   #{connections := Count} when Count >= Wanted -> Genotype;
                   _ ->
                       {ok, Next} = cambrian_genotype:mutate(Genotype, add_node, N),
                       Grow(Next, N + 1)
               end
           end,
    Grow(First, Seed).
