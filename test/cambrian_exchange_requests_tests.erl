%% What a node answers, at what cost, and whom it hears.
-module(cambrian_exchange_requests_tests).
-include_lib("eunit/include/eunit.hrl").
-include("cambrian_exchanges.hrl").
-import(cambrian_exchanges, [all_of/2, alone/1, announcement/5, genotype/2, heartbeat_of/2, hears/2,
                             holding/1, id/1, identity/1, key/1]).

%% M8. The first request with these bases has four differences made, in another process. The next
%% request gets them from the cache.
differences_are_made_once_test() ->
    [Target | Bases] = [genotype(200, N) || N <- lists:seq(1, 5)],
    X = holding([Target | Bases]),
    Request = cambrian_message:request(id(Target), [id(Base) || Base <- Bases]),
    {[], {make, Id, #{made := [], missing := Missing} = Job}, Y} =
        cambrian_exchange:asked(Request, <<"a">>, ?T0, X),
    ?assertEqual({id(Target), 4}, {Id, length(Missing)}),
    {Answer, Z} = cambrian_exchange:made(Id, Job, cambrian_delivery:differences(Job), Y),
    ?assertMatch({[], {answer, Answer}, _}, cambrian_exchange:asked(Request, <<"b">>, ?T0, Z)),
    %% also for a part of these bases
    Two = cambrian_message:request(id(Target), [id(Base) || Base <- lists:sublist(Bases, 2)]),
    ?assertMatch({[], {answer, _}, _}, cambrian_exchange:asked(Two, <<"b">>, ?T0, Z)),
    {[], {answer, Whole}, _} =
        cambrian_exchange:asked(cambrian_message:request(Id, []), <<"c">>, ?T0, Z),
    ?assertMatch({ok, {whole, _, undefined}}, cambrian_message:read_answer(Whole)).

cached_differences_are_bounded_test_() -> {timeout, 60, fun cached_differences_are_bounded/0}.

cached_differences_are_bounded() ->
    Offer =
        #{genotype => genotype(2, 1), envelope => <<0:4000>>, content => undefined, signed => <<>>},
    X = lists:foldl(fun(N, Y) ->
                        Job = #{offer => Offer, made => [], missing => []},
                        element(2,
                                cambrian_exchange:made(<<N:256>>, Job,
                                                       [{<<1:256>>, binary:copy(<<N:32>>, 4096)}],
                                                       Y))
                    end, alone(#{}), lists:seq(1, 2000)),
    ?assert(erts_debug:flat_size(X) * erlang:system_info(wordsize) < 2_000_000),
    Made = [B || B <- binaries(X), byte_size(B) =:= 16_384],
    ?assert(length(Made) * 16_384 =< 4 bsl 20).

binaries(B) when is_binary(B) -> [B];
binaries(T) when is_tuple(T) -> lists:append([binaries(E) || E <- tuple_to_list(T)]);
binaries(M) when is_map(M) -> lists:append([binaries(V) || V <- maps:values(M)]);
binaries(L) when is_list(L), length(L) >= 0 -> lists:append([binaries(E) || E <- L]);
binaries(_) -> [].

%% Twenty requests a second from one address are served, and 500 together from addresses without a
%% known node. Requests for unknown genotypes and for the node's key count too.
requests_are_metered_by_address_test() ->
    X = holding([genotype(2, 1)]),
    Served = fun(From, Bytes, Times, Y) ->
                 lists:foldl(fun(_, {N, Z}) ->
                                 case cambrian_exchange:asked(Bytes, From(N), ?T0, Z) of
                                     {_, busy, Next} -> {N, Next};
                                     {_, _, Next} -> {N + 1, Next}
                                 end
                             end, {0, Y}, lists:seq(1, Times))
             end,
    [begin
         {One, Y} = Served(fun(_) -> <<"flooder">> end, Bytes, 2000, X),
         ?assert(One >= 20 andalso One < 200),
         ?assertMatch({1, _}, Served(fun(_) -> <<"other">> end, Bytes, 1, Y)),
         {Many, _} = Served(fun(_) -> unknown end, Bytes, 5000, X),
         ?assert(Many >= 500 andalso Many < 2500)
     end
     || Bytes <- [cambrian_message:request(id(genotype(2, 1)), []),
                  cambrian_message:request(<<7:256>>, []), cambrian_message:ping(),
                  cambrian_message:who(<<7:256>>), <<"noise">>]].

%% In a realm with a list of keys, only heartbeats of these keys count.
only_keys_that_may_publish_are_members_test() ->
    Beat =
        fun(Who) ->
            hears(cambrian_message:heartbeat(?REALM, Who, {?T0, ?MINUTE}, identity(Who)), ?T0) end,
    Realm = cambrian_realm:new(#{name => ?REALM, capability => {keys, [key(<<"a">>)]}}),
    {_, X} =
        all_of([Beat(<<"a">>), Beat(<<"b">>)],
               alone(#{trust => {fun cambrian_realm:ask/3, Realm}})),
    ?assertEqual([key(<<"a">>)], maps:keys(cambrian_exchange:members(?T0, X))).

%% A heartbeat counts only in the realm for which it was signed.
a_heartbeat_for_another_realm_is_refused_test() ->
    Bytes =
        cambrian_message:heartbeat(<<"org.example.other">>, <<"a">>, {?T0, ?MINUTE},
                                   identity(<<"a">>)),
    {Effects, X} = all_of([hears(Bytes, ?T0)], alone(#{})),
    ?assertEqual({#{}, [bad_signature]},
                 {cambrian_exchange:members(?T0, X),
                  [Reason || {event, rejected, #{reason := Reason}} <- Effects]}).

%% A key with too many broken promises announces a genotype that it has: other announcements are
%% not held back for it. There are other nodes, as a node that knows of none is never silent.
an_announcement_of_an_ignored_key_silences_no_node_test() ->
    G = genotype(2, 1),
    {_, Bred} = cambrian_exchange:bred(?TASK, #{champion => G, fitness => 1.0}, ?T0, alone(#{})),
    Breaks = [fun(X) ->
                  {Asked, Y} =
                      cambrian_exchange:heard(announcement(<<"liar">>, N, genotype(2, 100 + N), 9.0,
                                                           ?T0), ?T0, X),
                  lists:foldl(fun({ask, Ref, _, _}, {_, Z}) ->
                      cambrian_exchange:answered(Ref, {error, gone}, ?T0, Z);
                                 (_, Same) -> Same
                              end, {[], Y}, Asked)
              end || N <- lists:seq(1, 4)],
    Beats = [hears(heartbeat_of(<<"n", N>>, ?T0), ?T0) || N <- lists:seq(1, 30)],
    {_, Broken} = all_of(Breaks ++ Beats, Bred),
    Speaks = fun(Who, X) ->
                 {_, Y} =
                     cambrian_exchange:heard(announcement(Who, 10, G, 1.0, ?T0 + 100), ?T0 + 100,
                                             X),
                 {Effects, _} = cambrian_exchange:tick(?T0 + 30_000, Y),
                 [said || {event, announced, _} <- Effects]
             end,
    ?assertEqual({[], [said]}, {Speaks(<<"honest">>, Broken), Speaks(<<"liar">>, Broken)}).

%% An attacker hears the best of a node, and repeats it to that node alone, every three seconds for
%% four hours, in a mesh of five nodes.
an_echo_does_not_silence_a_node_for_ever_test_() ->
    Quiet = fun() -> spoken_with_echo(4800, never) end,
    {timeout, 60, ?_assertMatch(Spoken when Spoken > 0 andalso Spoken < 10, Quiet())}.

%% It also announces a lesser best every 30 seconds for an hour, so that no interval is long.
an_echo_that_keeps_intervals_short_does_not_silence_a_node_for_ever_test_() ->
    Short = fun() -> spoken_with_echo(1200, 10) end,
    {timeout, 60, ?_assertMatch(Spoken when Spoken > 2 andalso Spoken < 30, Short())}.

%% How often the node speaks under so many echoes, with a lesser best at every so many of them.
spoken_with_echo(Echoes, Every) ->
    [G, Lesser] = [genotype(2, Seed) || Seed <- [1, 2]],
    {_, Bred} = cambrian_exchange:bred(?TASK, #{champion => G, fitness => 1.0}, ?T0, alone(#{})),
    Others = fun(Now) -> [hears(heartbeat_of(<<"n", N>>, Now), Now) || N <- lists:seq(1, 3)] end,
    Says = fun(One, Number, Fitness, Now) ->
               hears(announcement(<<"echo">>, Number, One, Fitness, Now), Now)
           end,
    Steps = fun(N) ->
                Now = ?T0 + 3000 * N,
                [Step || 1 <- [N rem 2], Step <- Others(Now)]
                    ++ [Says(Lesser, 2 * N, 0.5, Now) || is_integer(Every), N rem Every =:= 0]
                    ++ [Says(G, 2 * N + 1, 1.0, Now), fun(X) -> cambrian_exchange:tick(Now, X) end]
            end,
    {Effects, _} = all_of(lists:flatmap(Steps, lists:seq(1, Echoes)), Bred),
    length([said || {event, announced, _} <- Effects]).
