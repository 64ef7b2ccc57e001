-module(cambrian_mesh_requests_tests).
-include_lib("eunit/include/eunit.hrl").

want(Origin, N) -> want(Origin, N, <<"a node">>).

want(Origin, N, Address) ->
    #{id => <<N:256>>, task => <<"xor">>, claims => #{origin => Origin}, record => <<>>,
      addresses => [Address], whole => false}.

add(Wants0, Requests) ->
    lists:foldl(fun(Want, W) -> cambrian_mesh_requests:add(Want, 0, W) end, Requests, Wants0).
new(Requests) -> add(Requests, cambrian_mesh_requests:new()).
start(Requests) -> cambrian_mesh_requests:start(fun(_) -> true end, Requests).
origins(Started) -> [Origin || {_, #{claims := #{origin := Origin}}} <- Started].

a_wanted_genotype_is_asked_for_once_test() ->
    {[{Ref, #{id := Id}}], Requests} = start(new([want(a, 1)])),
    ?assertEqual({<<1:256>>, true}, {Id, cambrian_mesh_requests:has(Id, Requests)}),
    ?assertMatch({[], _}, start(Requests)),
    {#{id := Id}, Done} = cambrian_mesh_requests:take(Ref, Requests),
    ?assertEqual({none, false},
                 {cambrian_mesh_requests:take(Ref, Done), cambrian_mesh_requests:has(Id, Done)}).

two_genotypes_of_an_origin_are_asked_for_at_once_test() ->
    {Started, Requests} = start(new([want(a, N) || N <- lists:seq(1, 10)] ++ [want(b, 11)])),
    ?assertEqual([a, a, b], lists:sort(origins(Started))),
    [{Ref, _} | _] = [One || {_, #{claims := #{origin := a}}} = One <- Started],
    {_, Answered} = cambrian_mesh_requests:take(Ref, Requests),
    {Next, _} = start(add([want(a, 12)], Answered)),
    ?assertEqual([a], origins(Next)).

sixteen_genotypes_are_asked_for_at_once_test() ->
    {Started, _} = start(new([want(Origin, Origin) || Origin <- lists:seq(1, 40)])),
    ?assertEqual(16, length(Started)),
    ?assertEqual(16, length(lists:usort([Ref || {Ref, _} <- Started]))).

%% A node may take a call's full time to answer. So keys without a place hold at most half of the
%% questions, and keys that do not even send heartbeats half of these.
keys_without_a_place_hold_at_most_half_of_the_questions_test() ->
    In = fun(Line, Ns) -> [(want({Line, N}, N))#{line => {fresh, Line}} || N <- Ns] end,
    {Started, Busy} = start(new(In(sender, lists:seq(1, 40)) ++ In(node, lists:seq(41, 80)))),
    ?assertEqual({4, 4},
                 {length([sender || {sender, _} <- origins(Started)]),
                  length([node || {node, _} <- origins(Started)])}),
    {Others, _} = start(add([want(Earned, 100 + Earned) || Earned <- lists:seq(1, 20)], Busy)),
    ?assertEqual(8, length([Earned || Earned <- origins(Others), is_integer(Earned)])).

a_genotype_that_is_no_longer_wanted_is_not_asked_for_test() ->
    {Started, _} =
        cambrian_mesh_requests:start(fun(#{id := <<N:256>>}) -> N > 1 end,
                                     new([want(a, 1), want(b, 2)])),
    ?assertEqual([b], origins(Started)).

a_genotype_of_two_origins_is_asked_for_once_test() ->
    ?assertMatch({[_], _}, start(new([want(a, 1), want(b, 1)]))).

%% An origin with a hundred announcements gets as many turns as an origin with one.
a_flood_of_announcements_delays_no_other_origin_test() ->
    {Started, _} =
        start(new([want(a, N) || N <- lists:seq(1, 1000)] ++
                      [want(Origin, 1000 + Origin) || Origin <- lists:seq(1, 14)])),
    ?assertEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, a, a],
                 lists:sort(origins(Started))).

the_next_address_that_has_the_genotype_is_asked_test() ->
    {[{Ref, _}], Requests} = start(new([want(a, 1, <<"first">>)])),
    More =
        add([want(b, 1, <<"second">>), want(a, 1, <<"second">>), want(c, 1, <<"third">>)],
            Requests),
    {Want, Taken} = cambrian_mesh_requests:take(Ref, More),
    {ok, Again, #{addresses := [<<"second">>, <<"third">>]} = Second, Asked} =
        cambrian_mesh_requests:retry(Want, [], 0, Taken),
    ?assert(Again =/= Ref),
    {Second, Left} = cambrian_mesh_requests:take(Again, Asked),
    {ok, Last, Third, LastAsked} = cambrian_mesh_requests:retry(Second, [], 0, Left),
    {Third, Nobody} = cambrian_mesh_requests:take(Last, LastAsked),
    ?assertMatch({give_up, _}, cambrian_mesh_requests:retry(Third, [], 0, Nobody)).

%% Other nodes are asked once, and at most three of them.
after_the_announced_addresses_three_other_nodes_are_asked_test() ->
    {[{Ref, _}], Requests} = start(new([want(a, 1, <<"first">>)])),
    {Want, Taken} = cambrian_mesh_requests:take(Ref, Requests),
    {ok, _, #{addresses := [<<"b">>, <<"c">>, <<"d">>]} = Others, Asked} =
        cambrian_mesh_requests:retry(Want, [<<"b">>, <<"first">>, <<"c">>, <<"d">>, <<"e">>], 0,
                                     Taken),
    ?assertMatch({give_up, _},
                 cambrian_mesh_requests:retry(Others#{addresses := [<<"d">>]}, [<<"e">>], 0,
                                              Asked)).

at_most_four_addresses_of_a_genotype_are_kept_test() ->
    {[{Ref, _}], Requests} = start(new([want(a, 1, <<0>>)])),
    {#{addresses := Addresses}, _} =
        cambrian_mesh_requests:take(Ref,
                                    add([want(a, 1, <<N>>) || N <- lists:seq(1, 100)], Requests)),
    ?assertEqual([<<0>>, <<1>>, <<2>>, <<3>>], Addresses).

%% Three deliveries may fail, for example by loss; then the origin waits, longer each time.
an_origin_that_does_not_deliver_waits_test() ->
    Fail =
        fun(Count, Now) ->
            lists:foldl(fun(_, W) -> cambrian_mesh_requests:failed(a, Now, W) end,
                        cambrian_mesh_requests:new(), lists:seq(1, Count)) end,
    Asked = fun(Requests, Now) ->
                Two =
                    lists:foldl(fun(Want, R) -> cambrian_mesh_requests:add(Want, Now, R) end,
                                Requests, [want(a, 1), want(b, 2)]),
                origins(element(1, start(Two)))
            end,
    [?assertEqual({Failures, [a, b]}, {Failures, lists:sort(Asked(Fail(Failures, 1000), 1000))})
     || Failures <- [0, 1, 2, 3]],
    [begin
         Until = 1000 + (Failures - 3) * 20_000,
         ?assertEqual([b], Asked(Fail(Failures, 1000), Until - 1)),
         ?assertEqual([a, b], lists:sort(Asked(Fail(Failures, 1000), Until)))
     end || Failures <- [4, 5, 10]].

a_delivery_ends_the_wait_of_an_origin_test() ->
    Failed =
        lists:foldl(fun(_, W) -> cambrian_mesh_requests:failed(a, 0, W) end,
                    cambrian_mesh_requests:new(), lists:seq(1, 10)),
    ?assertMatch({[], _}, start(cambrian_mesh_requests:add(want(a, 1), 1, Failed))),
    ?assertMatch({[_], _},
                 start(cambrian_mesh_requests:add(want(a, 1), 1,
                                                  cambrian_mesh_requests:served(a, Failed)))).

a_request_that_is_given_up_counts_as_a_failure_of_its_origin_test() ->
    GiveUp = fun(N, Requests) ->
                     {[{Ref, _}], Asked} =
                         start(cambrian_mesh_requests:add(want(a, N), 0, Requests)),
                     {Want, Taken} = cambrian_mesh_requests:take(Ref, Asked),
                     {give_up, Next} = cambrian_mesh_requests:retry(Want, [], 0, Taken),
                     Next
             end,
    Requests = lists:foldl(GiveUp, cambrian_mesh_requests:new(), [1, 2, 3, 4]),
    ?assertMatch({[], _}, start(cambrian_mesh_requests:add(want(a, 5), 1, Requests))).

%% An attacker may make a key for each announcement: the queue is bounded.
the_queue_of_requests_is_bounded_test() ->
    Requests = new([want(Origin, Origin) || Origin <- lists:seq(1, 5000)]),
    Drain = fun Drain(W, Count) ->
                    case start(W) of
                        {[], _} -> Count;
                        {Started, Next} ->
                            Taken =
                                lists:foldl(fun({Ref, _}, W0) ->
                                    element(2, cambrian_mesh_requests:take(Ref, W0)) end, Next,
                                            Started),
                            Drain(Taken, Count + length(Started))
                    end
            end,
    ?assertEqual(256, Drain(Requests, 0)).
