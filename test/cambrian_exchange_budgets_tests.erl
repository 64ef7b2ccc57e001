%% How many genotypes of others the populations of a node evaluate.
-module(cambrian_exchange_budgets_tests).
-include_lib("eunit/include/eunit.hrl").
-include("cambrian_exchanges.hrl").
-import(cambrian_exchanges, [all_of/2, alone/1, announcement/5, envelope/5, genotype/2, hears/2,
                             heartbeat_of/2, id/1, key/1, offers/1]).

the_populations_get_no_more_genotypes_at_a_time_than_the_budget_test() ->
    Come = [hears(envelope(<<"a">>, N, genotype(2, N), 1.0, ?T0), ?T0) || N <- lists:seq(1, 6)],
    {Effects, X} = all_of(Come, alone(#{budget => 2})),
    [First, Second] = offers(Effects),
    {More, Y} =
        cambrian_exchange:judged(?TASK, #{id => First, outcome => not_better, fitness => 1.0}, ?T0,
                                 X),
    [_] = offers(More),
    {None, Z} =
        cambrian_exchange:judged(?TASK, #{id => First, outcome => not_better, fitness => 1.0}, ?T0,
                                 Y),
    ?assertEqual([], offers(None)),
    ?assertMatch([_],
                 offers(element(1,
                                cambrian_exchange:judged(?TASK, #{id => Second, outcome => busy},
                                                         ?T0, Z)))).

worked(Work, X) ->
    cambrian_exchange:worked(?TASK, #{work => Work, rests => false, failing => false}, ?T0, X).

%% A population whose generations cost `Own' units, while keys send as fast as they may; `Cost'
%% gives the cost of a genotype by its origin. Returns the units spent on each account. `Outcome'
%% is the outcome of each evaluation.
flood(Generations, Own, Origins, Cost, Outcome, X) ->
    Step = fun(G, {Y, Spent}) ->
               Sent =
                   [hears(envelope(Who, G, genotype(2, erlang:phash2({Who, G})), 1.0,
                                   ?T0 + 200 * G),
                          ?T0 + 200 * G) || Who <- Origins(G)],
               {First, Heard} = all_of(Sent, Y),
               {Second, Worked} = worked(Own, Heard),
               measure(First ++ Second, Cost, Outcome, {Worked, Spent})
           end,
    lists:foldl(Step, {element(2, worked(Own, X)), #{}}, lists:seq(1, Generations)).

measure([], _Cost, _Outcome, Done) -> Done;
measure([{offer, _, _, #{id := Id, origin := Origin, account := Account}} | Effects], Cost, Outcome,
        {X, Spent}) ->
    Work = Cost(Origin),
    Sum = maps:update_with(Account, fun(S) -> S + Work end, Work, Spent),
    {More, Next} =
        cambrian_exchange:judged(?TASK,
                                 maps:merge(#{id => Id, work => Work, account => Account}, Outcome),
                                 ?T0, X),
    measure(More ++ Effects, Cost, Outcome, {Next, Sum});
measure([_ | Effects], Cost, Outcome, Done) -> measure(Effects, Cost, Outcome, Done).

part(Spent, Own) -> Spent / (Spent + Own).

%% Costly, honest genotypes under one key or a thousand get a tenth of all evaluation. Keys that
%% have earned their place get shares of their own.
all_strangers_together_get_one_share_test_() ->
    {timeout, 300, fun all_strangers_together_get_one_share/0}.

all_strangers_together_get_one_share() ->
    Costly = fun(_) -> 5_000 end,
    True = #{outcome => not_better, fitness => 1.0},
    One = fun(_) -> [<<"one">>] end,
    Thousand = fun(G) -> [<<N:32>> || N <- lists:seq(5 * G, 5 * G + 4)] end,
    [begin
         {_, #{fresh := Spent} = All} = flood(200, 10_000, Origins, Costly, True, alone(#{})),
         ?assertEqual([fresh], maps:keys(All)),
         ?assert(part(Spent, 201 * 10_000) =< 0.1025),
         ?assert(part(Spent, 201 * 10_000) >= 0.09)
     end || Origins <- [One, Thousand]],
    %% a key that has earned a place has its own share
    Known =
        lists:foldl(fun(Who, R) -> earned(key(Who), R) end, cambrian_realm:new(#{name => ?REALM}),
                    [<<"friend">>]),
    Both = fun(G) -> [<<"friend">> | Thousand(G)] end,
    {_, Spent} =
        flood(200, 10_000, Both, Costly, True,
              alone(#{trust => {fun cambrian_realm:ask/3, Known}})),
    ?assertEqual(lists:sort([fresh, key(<<"friend">>)]), lists:sort(maps:keys(Spent))),
    [?assert(part(S, 201 * 10_000) =< 0.1025) || S <- maps:values(Spent)],
    %% all accounts together get at most one and a half times the share
    All = part(lists:sum(maps:values(Spent)), 201 * 10_000),
    ?assert(All >= 0.14 andalso All =< 0.155).

earned(Key, Realm) ->
    Claims = #{realm => ?REALM, origin => Key, genotype => <<0:256>>, sequence => 0, time => ?T0},
    {ok, Heard} = cambrian_realm:genuine(Claims, ?T0, Realm),
    {confirmed, Confirmed} = cambrian_realm:checked(Key, 1.0, 1.0, ?T0, Heard),
    cambrian_realm:accepted(Key, Confirmed).

%% While the populations evaluate, each account has at most one genotype with them. Idle
%% populations take any.
a_working_population_gets_one_genotype_of_an_account_at_a_time_test() ->
    Come = [hears(envelope(<<N>>, 1, genotype(2, N), 1.0, ?T0), ?T0) || N <- lists:seq(1, 6)],
    {_, Working} = worked(0, alone(#{})),
    {Effects, X} = all_of(Come, Working),
    [First] = offers(Effects),
    {[], Y} = worked(10, X),
    {Next, Z} =
        cambrian_exchange:judged(?TASK,
                                 #{id => First, outcome => not_better, fitness => 1.0, work => 1},
                                 ?T0, Y),
    ?assertMatch([_], offers(Next)),
    {Rest, _} =
        cambrian_exchange:worked(?TASK, #{work => 0, rests => true, failing => false}, ?T0, Z),
    ?assertMatch([_, _, _, _], offers(Rest)).

%% Both senders are in the account of the keys without a place. A key that also sends heartbeats
%% gets every other turn.
a_node_with_heartbeats_gets_every_other_turn_of_the_strangers_test() ->
    Beat = hears(heartbeat_of(<<"node">>, ?T0), ?T0),
    %% within the number of strangers' messages that are verified in a second
    Sends = [hears(envelope(<<N:16>>, 1, genotype(2, N), 1.0, ?T0), ?T0) || N <- lists:seq(1, 80)],
    Genotype = genotype(2, 1000),
    Told = hears(envelope(<<"node">>, 1, Genotype, 1.0, ?T0), ?T0),
    {_, Working} = worked(0, alone(#{})),
    {Effects, X} = all_of([Beat | Sends] ++ [Told], Working),
    [First] = offers(Effects),
    Judged =
        fun(Id, Y) ->
            cambrian_exchange:judged(?TASK,
                                     #{id => Id, outcome => not_better, fitness => 1.0, work => 0},
                                     ?T0, Y) end,
    {Then, Y} = Judged(First, X),
    [Second] = offers(Then),
    {Last, _} = Judged(Second, Y),
    ?assert(lists:member(id(Genotype), [Second | offers(Last)])).

%% The exchange does not wait for the genotypes that a crashed population had, so no account stays
%% blocked.
a_restarted_population_gets_genotypes_again_test() ->
    Come = [hears(envelope(<<N>>, 1, genotype(2, N), 1.0, ?T0), ?T0) || N <- [1, 2]],
    {_, Working} = worked(0, alone(#{})),
    {Effects, X} = all_of(Come, Working),
    [First] = offers(Effects),
    {Back, _} = cambrian_exchange:join(?TASK, ?T0, X),
    ?assertMatch([Second] when Second =/= First, offers(Back)).

%% A key is banned after five genotypes that cannot be evaluated, except while evaluations of the
%% populations' own genotypes fail too.
a_failed_evaluation_costs_its_origin_reputation_test() ->
    Sends = fun(N) -> hears(envelope(<<"bad">>, N, genotype(2, N), 1.0, ?T0), ?T0) end,
    Fail = fun(N, X) ->
               {Effects, Heard} = (Sends(N))(X),
               measure(Effects, fun(_) -> 10 end, #{outcome => failed}, {Heard, #{}})
           end,
    Run = fun(Failing) ->
              {_, X} =
                  cambrian_exchange:worked(?TASK, #{work => 0, rests => true, failing => Failing},
                                           ?T0, alone(#{})),
              lists:foldl(fun(N, {Y, Reputations}) ->
                              {Next, _} = Fail(N, Y),
                              {Next,
                               [cambrian_realm:reputation(key(<<"bad">>),
                                                          cambrian_exchange:trust(Next))
                                | Reputations]}
                          end, {X, []}, lists:seq(1, 6))
          end,
    {Ruined, Falling} = Run(false),
    ?assertEqual([35, 24, 17, 12, 8, 8], [round(100 * R) || R <- lists:reverse(Falling)]),
    ?assert(cambrian_realm:is_banned({key, key(<<"bad">>)}, cambrian_exchange:trust(Ruined))),
    ?assertEqual(5,
                 length([told
                         || {_, Steps} <- cambrian_exchange:stories(Ruined),
                         #{step := judged} <- Steps])),
    {Excused, Same} = Run(true),
    ?assertEqual([0.5], lists:usort(Same)),
    ?assertNot(cambrian_realm:has_earned(key(<<"bad">>), cambrian_exchange:trust(Excused))).

%% The cost was known before the evaluation, and the genotype may be in time on another day.
an_evaluation_that_is_late_costs_no_reputation_test() ->
    G = genotype(2, 1),
    {Effects, Heard} = (hears(envelope(<<"slow">>, 1, G, 1.0, ?T0), ?T0))(alone(#{})),
    {X, _} = measure(Effects, fun(_) -> 10 end, #{outcome => late}, {Heard, #{}}),
    ?assertEqual(0.5, cambrian_realm:reputation(key(<<"slow">>), cambrian_exchange:trust(X))),
    Story = cambrian_exchange:story(id(G), X),
    ?assertMatch([#{outcome := late}], [Of || #{step := judged} = Of <- Story]),
    {Again, _} = (hears(envelope(<<"slow">>, 2, G, 1.0, ?T0 + 1000), ?T0 + 1000))(X),
    ?assertEqual([id(G)], offers(Again)).

%% A refusal by cost is shown to the user and does not lower the reputation. The genotype is asked
%% for again only after ten minutes, when populations may have grown.
a_genotype_that_is_too_costly_is_refused_with_that_reason_test() ->
    G = genotype(200, 1),
    Announced = fun(N, Now) -> hears(announcement(<<"a">>, N, G, 2.0, Now), Now) end,
    {Effects, X} = all_of([hears(envelope(<<"a">>, 1, G, 2.0, ?T0), ?T0)], alone(#{})),
    [Id] = offers(Effects),
    Verdict = #{id => Id, outcome => too_costly, cost => 900, median => 20, bound => 160},
    {Told, Y} = cambrian_exchange:judged(?TASK, Verdict, ?T0, X),
    ?assertMatch([{event, rejected, #{reason := too_costly}}], Told),
    ?assertMatch([#{step := received}, #{step := offered},
                  #{step := judged, outcome := too_costly, cost := 900, median := 20, bound := 160,
                    claimed := 2.0}],
                 cambrian_exchange:story(Id, Y)),
    ?assertMatch(#{refused := #{too_costly := 1}},
                 cambrian_realm:report(cambrian_exchange:trust(Y))),
    ?assertEqual(0.5, cambrian_realm:reputation(key(<<"a">>), cambrian_exchange:trust(Y))),
    Asks = fun(Wanted) -> [asked || {ask, _, _, _} <- Wanted] end,
    {Again, Z} = all_of([Announced(2, ?T0 + 599_000)], Y),
    ?assertEqual([], Asks(Again)),
    ?assertEqual([asked], Asks(element(1, all_of([Announced(3, ?T0 + 600_000)], Z)))).
