%% What a node does with wrong answers, and with right ones of other nodes.
-module(cambrian_exchange_answers_tests).
-include_lib("eunit/include/eunit.hrl").
-include("cambrian_exchanges.hrl").
-import(cambrian_exchanges, [all_of/2, alone/1, claims_of/3, conversation/3, envelope/5, genotype/2,
                             hears/2, heartbeat_of/2, holding/1, id/1, key/1]).

wrong_difference(_Address, _Id, Held) ->
    {ok,
     cambrian_message:answer({difference, hd(Held ++ [<<7:256>>]), <<"no difference">>,
                              undefined})}.

%% After a wrong difference the node asks once for the whole genotype. Then the place is free, and
%% the key has failed.
a_wrong_difference_is_asked_for_once_test() ->
    Id = id(genotype(200, 1)),
    {Asked, X} =
        conversation(fun wrong_difference/3, 100,
                     cambrian_exchange:heard(claims_of(<<"liar">>, 1, <<"liar">>), ?T0,
                                             holding([genotype(200, 9)]))),
    ?assertMatch([{<<"liar">>, Id, [_]}, {<<"liar">>, Id, []}], Asked),
    ?assertEqual([wrong_difference, not_asked_for],
                 [Reason
                  || #{step := not_delivered, reason := Reason} <- cambrian_exchange:story(Id, X)]),
    %% three failures may be an accident
    More =
        [fun(Y) ->
            conversation(fun wrong_difference/3, 100,
                         cambrian_exchange:heard(claims_of(<<"liar">>, N, <<"liar">>), ?T0, Y)) end
         || N <- lists:seq(2, 10)],
    ?assertMatch({[_, _, _, _, _, _], _}, all_of(More, X)).

%% A wrong answer counts as a failure of the key that gave it, even if another node delivers. The
%% node then does not ask that key instead of others.
a_wrong_answer_counts_though_another_node_delivers_test() ->
    {_, There} =
        conversation(fun(_, _, _) -> {error, gone} end, 100,
                     cambrian_exchange:heard(claims_of(<<"friend">>, 100, <<"friend">>), ?T0,
                                             alone(#{}))),
    {_, Alive} = cambrian_exchange:heard(heartbeat_of(<<"friend">>, ?T0), ?T0, There),
    Answer = fun(<<"liar">>, _, _) -> {ok, <<"rubbish">>};
                (<<"friend">>, Id, _) ->
                     [G] = [G || N <- lists:seq(1, 10), G <- [genotype(200, N)], id(G) =:= Id],
                     {ok,
                      cambrian_message:answer({whole, envelope(<<"friend">>, 1, G, 9.0, ?T0),
                                               undefined})}
             end,
    Lies =
        [fun(Y) ->
            conversation(Answer, 100,
                         cambrian_exchange:heard(claims_of(<<"liar">>, N, <<"liar">>), ?T0, Y)) end
         || N <- lists:seq(1, 10)],
    {Asked, _} = all_of(Lies, Alive),
    ?assertEqual({4, 4},
                 {length([liar || {<<"liar">>, _, _} <- Asked]),
                  length([friend || {<<"friend">>, _, _} <- Asked])}).

%% Eight nodes with two wrong answers each hold all places of fresh keys. The node asks a ninth as
%% soon as it has asked each of them.
nodes_with_wrong_answers_hold_no_places_test() ->
    Bad = [<<"bad ", N>> || N <- lists:seq($1, $8)],
    Crowd = [hears(heartbeat_of(Who, ?T0), ?T0) || Who <- [<<"honest">> | Bad]]
            ++ [hears(claims_of(Who, 10 * N + Twice, Who), ?T0)
                || {N, Who} <- lists:enumerate(Bad), Twice <- [1, 2]]
            ++ [hears(claims_of(<<"honest">>, 1, <<"honest">>), ?T0)],
    {Asked, _} =
        conversation(fun wrong_difference/3, 500, all_of(Crowd, holding([genotype(200, 9)]))),
    Before = lists:takewhile(fun({Address, _, _}) -> Address =/= <<"honest">> end, Asked),
    ?assert(length(Before) =< 2 * 2 * length(Bad)),
    ?assert(length(Asked) > length(Before)).

%% Megabytes that claim to be differences, from forty keys in one second.
opened_answers_have_a_budget_test() ->
    Bad = [<<"bad ", N>> || N <- lists:seq(1, 40)],
    Large = binary:copy(<<0>>, 1_000_000),
    Answer =
        fun(_, _, Held) ->
            {ok, cambrian_message:answer({difference, hd(Held ++ [<<7:256>>]), Large, undefined})}
        end,
    Claims =
        [fun(X) ->
            conversation(Answer, 500, cambrian_exchange:heard(claims_of(Who, N, Who), ?T0, X)) end
         || {N, Who} <- lists:enumerate(Bad)],
    {_, X} = all_of(Claims, holding([genotype(200, 99)])),
    Reasons =
        [Reason
         || {_, Steps} <- cambrian_exchange:stories(X),
         #{step := not_delivered, reason := Reason} <- Steps],
    ?assertEqual(40, length([Reason || Reason <- Reasons, Reason =/= wrong_difference])),
    Opened = length([Reason || Reason <- Reasons, Reason =/= metered]),
    ?assert(Opened >= 1 andalso Opened =< 10).

%% The key that signed the envelope is the breeder, whichever node announced or delivered it. The
%% record, the step and a ban agree on that.
the_signer_of_an_envelope_is_its_breeder_test() ->
    G = genotype(2, 7),
    {ok, Announced, _} = cambrian_envelope:read(envelope(<<"a">>, 1, G, 9.0, ?T0)),
    Signed = envelope(<<"b">>, 1, G, 9.0, ?T0),
    Heard =
        cambrian_exchange:heard(cambrian_message:announcement(news,
                                                              cambrian_envelope:record(Announced),
                                                              <<"a">>), ?T0, alone(#{})),
    {_, Taken} =
        conversation(fun(_, _, _) -> {ok, cambrian_message:answer({whole, Signed, undefined})} end,
                     10, Heard),
    ?assertEqual([key(<<"b">>)],
                 [Breeder
                  || #{step := received,
                       breeder := Breeder} <- cambrian_exchange:story(id(G), Taken)]).

%% A genotype in the bytes of an earlier schema has its usual id: it is offered or banned under
%% that id, and fetched once.
an_answer_in_an_earlier_schema_has_the_usual_id_test() ->
    G = genotype(2, 7),
    Bytes = cambrian_earlier:schema_2(G),
    Sealed = fun(N) ->
                 cambrian_earlier:envelope(Bytes,
                                           #{realm => ?REALM, task => ?TASK, fitness => 9.0,
                                             sequence => N, time => ?T0},
                                           crypto:hash(sha256, <<"old">>))
             end,
    Announced = fun(N, X) ->
                    {ok, Read, _} = cambrian_envelope:read(Sealed(N)),
                    News = cambrian_message:announcement(news, cambrian_envelope:record(Read),
                                                         <<"old">>),
                    conversation(fun(_, _, _) ->
                        {ok, cambrian_message:answer({whole, Sealed(9), undefined})} end, 10,
                                 cambrian_exchange:heard(News, ?T0, X))
                end,
    Signed = crypto:hash(sha256, Bytes),
    {[{<<"old">>, Signed, _}], Taken} = Announced(1, alone(#{})),
    ?assertEqual([received, offered],
                 [Step || #{step := Step} <- cambrian_exchange:story(id(G), Taken)]),
    ?assertMatch({[], _}, Announced(2, Taken)),
    {ok, Realm} =
        cambrian_realm:ban({genotype, id(G)}, <<>>, ?T0, cambrian_realm:new(#{name => ?REALM})),
    {_, Refused} = Announced(1, alone(#{trust => {fun cambrian_realm:ask/3, Realm}})),
    ?assertEqual([received, banned],
                 [Step || #{step := Step} <- cambrian_exchange:story(id(G), Refused)]).
