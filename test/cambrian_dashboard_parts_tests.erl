%% The dashboard's parts without a server: connections, sessions, history and pictures.
-module(cambrian_dashboard_parts_tests).

-include_lib("eunit/include/eunit.hrl").

-import(cambrian_drawing, [attribute/2, bytes/1, has/2, only_itself/1, overlaps/1, svg/1, texts/2]).

-define(ILL, <<"\"'><script>alert(1)</script>">>).

%%% ---- places -----------------------------------------------------------------------------

%% A newcomer replaces the oldest connection of the address that has the most, so an address with
%% one connection keeps it.
a_newcomer_replaces_the_oldest_connection_of_the_busiest_address_test() ->
    Alone = pid(0),
    {ok, [], One} = hold(Alone, 0, waiting, cambrian_dashboard_connections:new()),
    {Flooded, Ended} = lists:foldl(fun(I, {Places, Gone}) ->
                                       {ok, Now, Next} =
                                           hold(pid(I), 1 + I rem 20, waiting, Places),
                                       {Next, Gone ++ Now}
                                   end, {One, []}, lists:seq(1, 2000)),
    ?assertEqual(256, length(cambrian_dashboard_connections:kinds(Flooded))),
    ?assertNot(lists:member(Alone, Ended)),
    ?assertEqual(lists:seq(1, 1745), lists:sort([number(Pid) || Pid <- Ended])),
    %% one address gets 32 places at most
    {ok, [], Few} = hold(Alone, 0, waiting, cambrian_dashboard_connections:new()),
    {Own, Gone} = lists:foldl(fun(I, {Places, Before}) ->
                                  {ok, Now, Next} = hold(pid(I), 1, waiting, Places),
                                  {Next, Before ++ Now}
                              end, {Few, []}, lists:seq(1, 40)),
    ?assertEqual(lists:seq(1, 8), [number(Pid) || Pid <- Gone]),
    ?assertEqual(33, length(cambrian_dashboard_connections:kinds(Own))).

%% When the places of one kind are full, other kinds still have places. A closed connection gives
%% its place back.
each_kind_of_connection_has_places_of_its_own_test() ->
    Fill = fun(Kind, Addresses, Places) ->
               lists:foldl(fun(I, Before) ->
                               case hold(pid({Kind, I}), I rem Addresses, Kind, Before) of
                                   {ok, [], Next} -> Next;
                                   {full, _} -> Before
                               end
                           end, Places, lists:seq(1, 500))
           end,
    Full =
        Fill(health, 500,
             Fill(watching, 500, Fill(asking, 500, cambrian_dashboard_connections:new()))),
    Counts =
        fun(Places) ->
            [length([x || {_, Its} <- cambrian_dashboard_connections:kinds(Places), Its =:= Kind])
             || Kind <- [asking, watching, health]] end,
    ?assertEqual([64, 32, 8], Counts(Full)),
    ?assertEqual([16, 16, 4],
                 Counts(Fill(health, 1,
                             Fill(watching, 1,
                                  Fill(asking, 1, cambrian_dashboard_connections:new()))))),
    [?assertEqual({full, all}, hold(pid(x), 1000, Kind, Full))
     || Kind <- [asking, watching, health]],
    {ok, [], _} = hold(pid(x), 1000, waiting, Full),
    {ok, [], _} =
        hold(pid(x), 1000, health, cambrian_dashboard_connections:remove(pid({health, 7}), Full)).

%% A customer with IPv6 has a block of 64 bits, which counts as one address.
all_addresses_of_an_ipv6_block_count_as_one_test() ->
    Block =
        fun(Text) ->
            {ok, Address} = inet:parse_address(Text), cambrian_dashboard_connections:block(Address)
        end,
    ?assertEqual(Block("2001:db8:1:2::1"), Block("2001:db8:1:2:ffff::9")),
    ?assertNotEqual(Block("2001:db8:1:2::1"), Block("2001:db8:1:3::1")),
    ?assertEqual(Block("10.0.0.7"), Block("::ffff:10.0.0.7")),
    ?assertNotEqual(Block("10.0.0.7"), Block("10.0.0.8")).

hold(Pid, Address, Kind, Places) ->
    cambrian_dashboard_connections:admit(Pid, {10, 0, Address div 256, Address rem 256}, Kind,
                                         Places).

%% Any term may stand for a process here.
pid(Number) -> {pid, Number}.
number({pid, Number}) -> Number.

%%% ---- sessions ---------------------------------------------------------------------------

an_idle_session_expires_test() ->
    Origin = {http, <<"localhost:4040">>},
    {Id, [], One} =
        cambrian_dashboard_sessions:open({<<"cookie">>, <<"key">>}, Origin, 0,
                                         cambrian_dashboard_sessions:new()),
    Find =
        fun(Now, Sessions) ->
            cambrian_dashboard_sessions:find([<<"cookie">>], Origin, Now, Sessions) end,
    Hour = 3_600_000,
    ?assertMatch({ok, Id, _}, Find(Hour - 1, One)),
    ?assertEqual(none, Find(Hour, One)),
    %% a session in use lasts twelve hours
    Used =
        lists:foldl(fun(I, Before) -> {ok, Id, Next} = Find(I * Hour div 2, Before), Next end, One,
                    lists:seq(1, 23)),
    ?assertEqual(none, Find(12 * Hour, Used)),
    %% a session with an open page is not idle, but ends after twelve hours too
    {[], Watched} = cambrian_dashboard_sessions:expire([Id], 5 * Hour, One),
    ?assertMatch({ok, Id, _}, Find(5 * Hour + 1, Watched)),
    ?assertMatch({[Id], _}, cambrian_dashboard_sessions:expire([], 5 * Hour, One)),
    ?assertMatch({[Id], _}, cambrian_dashboard_sessions:expire([Id], 12 * Hour, Watched)),
    ?assertEqual(none, Find(1, cambrian_dashboard_sessions:close(Id, One))),
    ?assertNot(cambrian_dashboard_sessions:is_open(Id, cambrian_dashboard_sessions:close(Id, One))).

a_session_is_valid_only_for_its_origin_test() ->
    Origin = {http, <<"localhost:4040">>},
    {Id, [], One} =
        cambrian_dashboard_sessions:open({<<"cookie">>, <<"key">>}, Origin, 0,
                                         cambrian_dashboard_sessions:new()),
    Find = fun(Cookies, Of) -> cambrian_dashboard_sessions:find(Cookies, Of, 1, One) end,
    ?assertMatch({ok, Id, _}, Find([<<"other">>, <<"cookie">>], Origin)),
    [?assertEqual(none, Find([<<"cookie">>], Of))
     || Of <- [{https, <<"localhost:4040">>}, {http, <<"localhost:4041">>},
               {http, <<"127.0.0.1:4040">>}]],
    [?assertEqual(none, Find([Cookie], Origin)) || Cookie <- [<<>>, <<"key">>, <<"cookie ">>]],
    ?assert(cambrian_dashboard_sessions:may_change(Id, <<"key">>, One)),
    [?assertNot(cambrian_dashboard_sessions:may_change(Of, Key, One))
     || {Of, Key} <- [{Id, <<"cookie">>}, {Id, <<>>}, {<<"other">>, <<"key">>}]],
    %% the sessions store neither secret
    ?assertEqual(nomatch, binary:match(term_to_binary(One), [<<"cookie">>, <<"\"key\"">>])),
    ?assertEqual([<<"1">>, <<"a=b">>],
                 cambrian_dashboard_sessions:cookies([<<"x=0; cambrian_4040=1;cambrian_4041=2">>,
                                                      <<"cambrian_4040=a=b">>], Origin)),
    Cookies = [<<"cambrian_4040=0; __Host-cambrian_4040=1">>],
    ?assertEqual([<<"1">>],
                 cambrian_dashboard_sessions:cookies(Cookies, {https, <<"localhost:4040">>})).

%% When there are too many sessions, the session that was idle longest ends.
the_number_of_sessions_is_bounded_test() ->
    Origin = {http, <<"localhost:4040">>},
    {Full, Ids} = lists:foldl(fun(I, {Before, Opened}) ->
                                  {Id, [], Next} =
                                      cambrian_dashboard_sessions:open({<<I>>, <<"key">>}, Origin,
                                                                       I,
                                                                       Before),
                                  {Next, [Id | Opened]}
                              end, {cambrian_dashboard_sessions:new(), []}, lists:seq(1, 64)),
    {ok, First, Used} = cambrian_dashboard_sessions:find([<<1>>], Origin, 100, Full),
    ?assertEqual(First, lists:last(Ids)),
    {_, Ended, _} = cambrian_dashboard_sessions:open({<<"new">>, <<"key">>}, Origin, 101, Used),
    ?assertEqual([lists:nth(63, Ids)], Ended).

%%% ---- travel -----------------------------------------------------------------------------

migrations_are_counted_by_origin_and_task_test() ->
    Migrations =
        [migration(a, <<"pole">>, 3, 0.5, accepted), migration(b, <<"pole">>, 1, 0.2, not_better),
         migration(a, <<"pole">>, 9, 0.7, known), migration(a, <<"xor">>, 2, 3.0, accepted)],
    Pairs = cambrian_dashboard_migration:pairs(Migrations),
    ?assertEqual(#{{key(a), <<"pole">>} => #{count => 2, taken => 1, last => known},
                   {key(b), <<"pole">>} => #{count => 1, taken => 0, last => not_better},
                   {key(a), <<"xor">>} => #{count => 1, taken => 1, last => accepted}}, Pairs),
    ?assertEqual(#{count => 3, taken => 2, last => accepted},
                 maps:get(key(a), cambrian_dashboard_migration:of_origins(Migrations))).

%% The curve counts the origin's own generations, whatever the order of arrival, and keeps only
%% improvements.
the_best_fitness_of_an_origin_only_grows_test() ->
    Late =
        [migration(a, <<"pole">>, 9, 0.7, accepted), migration(a, <<"pole">>, 3, 0.5, accepted),
         migration(a, <<"pole">>, 5, 0.4, known),
         maps:remove(fitness, migration(a, <<"pole">>, 7, 0.9, failed)),
         migration(b, <<"xor">>, 1, 3.0, accepted)],
    ?assertEqual(#{key(a) => [{3, 0.5}, {9, 0.7}]},
                 cambrian_dashboard_migration:bests(<<"pole">>, Late)).

a_node_is_shown_by_its_name_or_by_its_key_test() ->
    Peers =
        [#{origin => key(a), address => <<"lima@10.0.0.7/0123456789">>},
         #{origin => key(b), address => undefined},
         #{origin => key(c), address => <<255, 0>>},
         #{origin => key(e), name => <<"pole-pi (lusab-bovik)">>, address => undefined}],
    [A, B, D] = [cambrian_identity:name(key(Name)) || Name <- [a, b, d]],
    ?assertEqual([<<"lima@10.0.0.7 (", A/binary, ")">>, B, D, <<"pole-pi (lusab-bovik)">>],
                 [cambrian_dashboard_migration:label(key(Name), Peers) || Name <- [a, b, d, e]]),
    ?assertEqual([<<"lima">>, B, <<"pole-pi">>],
                 [cambrian_dashboard_migration:name(key(Name), Peers) || Name <- [a, b, e]]),
    ?assert(is_list(unicode:characters_to_list(cambrian_dashboard_migration:label(key(c), Peers)))).

%% A misspelt population, and the names of keys: this node's, a banned key's and a refused key's.
a_missing_population_and_the_names_of_keys_are_shown_test() ->
    [A, B, C] = [cambrian_identity:name(key(Name)) || Name <- [a, b, c]],
    Realm =
        #{name => <<"lab">>, trust => closed, connected => true, missing => [polee],
          refused => #{replay => 1},
          bans => [#{what => {key, key(b)}, name => B, reason => <<>>, by => user, time => 1}],
          refusals =>
              [#{time => 1, reason => replay, origin => key(c), name => C, genotype => undefined}]},
    Mesh =
        #{identity => key(a), counts => #{}, realms => [Realm], peers => [], unshown_peers => 0,
          migrations => []},
    #{mesh := Shown} =
        cambrian_dashboard_view:view(#{populations => [], unshown => 0, lost => [],
                                       governor => none,
                                       mesh => Mesh}, #{}),
    ?assertMatch(#{name := A,
                   realms :=
                       [#{missing := [<<"polee">>], bans := [#{name := B}],
                          refusals := [#{name := C}]}]}, Shown),
    ?assert(is_binary(cambrian_json:encode(Shown))).

key(Name) -> <<(atom_to_binary(Name))/binary, 0:248>>.

migration(Origin, Task, Generation, Fitness, Outcome) ->
    #{origin => key(Origin), task => Task, generation => Generation, fitness => Fitness,
      outcome => Outcome}.

%%% ---- history -------------------------------------------------------------------------------

%% Over a run of any length the history keeps a bounded number of samples at even distances, with
%% the first and the last.
samples_are_bounded_and_evenly_spaced_test() ->
    Past =
        lists:foldl(fun(G, P) -> cambrian_dashboard_history:add(seen(G, running, G), P) end,
                    cambrian_dashboard_history:new(), lists:seq(0, 20_000)),
    Generations =
        [G || {G, [{0, Size}]} <- cambrian_dashboard_history:species(pole, Past), Size =:= G + 1],
    Gaps = [B - A || {A, B} <- cambrian_spacing:pairs(Generations)],
    ?assert(length(Generations) > 100 andalso length(Generations) =< 320),
    ?assert(hd(Generations) < 200 andalso lists:last(Generations) > 19_800),
    ?assert(lists:max(Gaps) =< 3 * lists:min(Gaps)).

a_rate_is_measured_between_two_samples_test() ->
    Past =
        lists:foldl(fun cambrian_dashboard_history:add/2, cambrian_dashboard_history:new(),
                    [seen(0, running, 0), seen(10, running, 500)]),
    %% ten generations of a hundred evaluations in half a second
    ?assertEqual(#{pole => 2000.0}, cambrian_dashboard_history:rates(Past)),
    Paused = cambrian_dashboard_history:add(seen(10, paused, 1000), Past),
    ?assertEqual(#{pole => 0}, cambrian_dashboard_history:rates(Paused)).

%% A new population of the same name starts a new history, and a population that is gone has none.
the_history_ends_with_its_population_test() ->
    Past = lists:foldl(fun cambrian_dashboard_history:add/2, cambrian_dashboard_history:new(),
                       [seen(0, running, 0), seen(10, running, 500), seen(2, running, 900)]),
    ?assertMatch([{2, _}], cambrian_dashboard_history:species(pole, Past)),
    Gone = cambrian_dashboard_history:add(#{at => 1000, populations => []}, Past),
    ?assertEqual([], cambrian_dashboard_history:species(pole, Gone)).

seen(Generation, State, At) ->
    #{at => At, populations => [#{name => pole, state => State,
                                  stats =>
                                      #{generation => Generation, evaluations => 100 * Generation,
                                        evaluations_per_second => 0,
                                        species => [{0, Generation + 1}]}}]}.

%%% ---- asking -----------------------------------------------------------------------------

a_dead_or_slow_process_does_not_delay_the_other_answers_test() ->
    Start = erlang:monotonic_time(millisecond),
    Before = length(processes()),
    Slow = 60,
    Funs = [fun() -> 1 end, fun() -> gen_server:call(nobody, what) end]
           ++ lists:duplicate(Slow, fun() -> timer:sleep(infinity) end) ++ [fun() -> 2 end],
    [{ok, 1}, {error, {noproc, _}} | Others] = cambrian_async:await_all(Funs, 2000),
    ?assertEqual(lists:duplicate(Slow, timeout) ++ [{ok, 2}], Others),
    %% one after the other, the calls would take two minutes
    ?assert(erlang:monotonic_time(millisecond) - Start < 60_000),
    cambrian_wait:until(fun() -> length(processes()) =< Before end).

%%% ---- pictures ---------------------------------------------------------------------------

all_nodes_of_the_picture_lie_in_its_frame_test_() ->
    [?_test(begin
                Svg =
                    svg(cambrian_traffic:draw(#{name => <<"here">>}, senders(Count),
                                              #{width => Width, height => 380})),
                Circles = xmerl_xpath:string("//g[@class='cb-node']/circle", Svg),
                ?assertEqual(min(16, Count), length(Circles)),
                [?assert(X > 0 andalso X < Width andalso Y > 0 andalso Y < 380)
                 || Circle <- Circles, X <- [cambrian_drawing:number(attribute(cx, Circle))],
                 Y <- [cambrian_drawing:number(attribute(cy, Circle))]]
            end) || Count <- [0, 1, 2, 7, 16, 40], Width <- [360, 500]].

names_and_numbers_do_not_overlap_test_() ->
    Long = fun(I) -> <<"node-", (integer_to_binary(I))/binary, ".example.org">> end,
    [?_assertEqual([],
                   overlaps(svg(cambrian_traffic:draw(#{name => <<"this node">>,
                                                        note => <<"published 12">>},
                                                   [#{name => Long(I), alive => true,
                                                      count => 1000 * I, taken => I}
                                                    || I <- lists:seq(1, Count)],
                                                   #{width => Width, height => Height,
                                                     title => <<"t">>}))))
     || Count <- [1, 2, 6, 9, 16], Width <- [360, 500], Height <- [170, 260, 380]] ++
    [?_test(begin
                Svg =
                    svg(cambrian_heat:map([{I, Long(I)} || I <- lists:seq(1, 30)],
                                          [{I, Long(I)} || I <- lists:seq(1, Columns)],
                                          #{{1, 1} => {100000, 50000}, {2, 1} => {12, 3}},
                                          #{width => Width, title => <<"t">>})),
                ?assertEqual([], overlaps(Svg)),
                ?assertEqual([<<"50 %">>, <<"3 of 12">>],
                             [list_to_binary(T) || T <- texts("//g[@class='cb-cell']/text", Svg)]),
                ?assertMatch([_],
                             [T
                              || T <- texts("//text", Svg),
                              lists:prefix("without 6 more rows and ", T)])
            end) || Columns <- [10, 20], Width <- [360, 500]].

the_width_of_an_arrow_shows_the_number_of_migrants_test() ->
    Wide = fun(Count) ->
               Two =
                   [#{name => <<"a">>, alive => true, count => Count, taken => 0},
                    #{name => <<"b">>, alive => true, count => 1000, taken => 0}],
               Svg = svg(cambrian_traffic:draw(#{name => <<"here">>}, Two, #{})),
               [First | _] = xmerl_xpath:string("//g[@class='cb-flow']/path[@stroke-width]", Svg),
               cambrian_drawing:number(attribute('stroke-width', First))
           end,
    ?assert(Wide(1) < Wide(10) andalso Wide(10) < Wide(100)).

the_colour_of_an_arrow_shows_the_last_outcome_test() ->
    Draw =
        fun(Sender) ->
            bytes(cambrian_traffic:draw(#{name => <<"here">>}, [Sender], #{embed => true})) end,
    Sender = #{name => <<"a">>, alive => true, count => 2, taken => 1},
    ?assert(has(Draw(Sender#{last => true}), <<"cb-pos">>)),
    ?assertNot(has(Draw(Sender#{last => false}), <<"cb-pos">>)),
    ?assert(has(Draw(Sender#{alive := false}), <<"cb-off">>)).

a_heat_map_has_a_cell_for_each_pair_test() ->
    Rows = [{I, integer_to_binary(I)} || I <- lists:seq(1, 30)],
    Columns = [{I, integer_to_binary(I)} || I <- lists:seq(1, 20)],
    Cells = maps:from_list([{{R, C}, {R * C, 1}} || {R, _} <- Rows, {C, _} <- Columns]),
    Svg = svg(cambrian_heat:map(Rows, Columns, Cells, #{})),
    ?assertEqual(24 * 10, length(xmerl_xpath:string("//g[@class='cb-cell']/rect", Svg))),
    [[One], [Most]] = [[cambrian_drawing:number(attribute('fill-opacity', Cell)) || Cell <- [Place]]
                       || Place <- [hd(xmerl_xpath:string("//g[@class='cb-cell']/rect", Svg)),
                                    lists:last(xmerl_xpath:string("//g[@class='cb-cell']/rect",
                                                                  Svg))]],
    ?assert(One < Most),
    ?assert(has(bytes(cambrian_heat:map([], [], #{}, #{})), <<"nothing to show yet">>)).

names_in_pictures_are_escaped_test() ->
    Pictures =
        [cambrian_traffic:draw(#{name => ?ILL, note => ?ILL},
                               [#{name => ?ILL, alive => false, count => 1, taken => 0}],
                               #{title => ?ILL}),
         cambrian_heat:map([{1, ?ILL}], [{1, ?ILL}], #{{1, 1} => {1, 1}}, #{title => ?ILL})],
    [begin
         ?assertNot(has(bytes(Picture), <<"<script">>)),
         _ = svg(Picture),
         only_itself(Picture)
     end || Picture <- Pictures].

senders(Count) ->
    [#{name => <<"node", (integer_to_binary(I))/binary>>, alive => I rem 2 =:= 0, count => I - 1,
       taken => 0} || I <- lists:seq(1, Count)].
