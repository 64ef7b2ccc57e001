%% A false address costs the node that lives there one question.
-module(cambrian_exchange_addresses_tests).
-include_lib("eunit/include/eunit.hrl").
-include("cambrian_exchanges.hrl").
-import(cambrian_exchanges, [all_of/2, alone/1, asks/1, calls/2, claims_of/3, envelope/5,
                             genotype/2, hears/2, heartbeat_of/2, identity/1, lives/3]).

%% M9. Five hundred fresh keys claim the address of another node. The node there is asked once for
%% its key and never for a genotype. The key that lives there is asked for what it announced.
a_false_address_costs_its_owner_one_question_test_() ->
    {timeout, 60, fun a_false_address_costs_its_owner_one_question/0}.

a_false_address_costs_its_owner_one_question() ->
    Claim =
        fun(N) ->
            hears(claims_of(<<"key ", (integer_to_binary(N))/binary>>, N, <<"victim">>),
                  ?T0 + 10 * N) end,
    {[{ask, Who, <<"victim">>, Question}], First} = asks((Claim(1))(alone(#{}))),
    {Meanwhile, Second} = all_of([Claim(N) || N <- lists:seq(2, 20)], First),
    ?assertEqual([], calls(<<"victim">>, Meanwhile)),
    {Answered, Third} =
        cambrian_exchange:answered(Who, {ok, lives(<<"victim">>, <<"victim">>, Question)},
                                   ?T0 + 500,
                                   Second),
    ?assertEqual([], calls(<<"victim">>, Answered)),
    {Later, Fourth} = all_of([Claim(N) || N <- lists:seq(21, 500)], Third),
    ?assertEqual([], calls(<<"victim">>, Later)),
    {True, _} =
        cambrian_exchange:heard(claims_of(<<"victim">>, 501, <<"victim">>), ?T0 + 6000, Fourth),
    ?assertMatch([_],
                 [Bytes
                  || {ask, _, <<"victim">>, Bytes} <- True,
                  {ok, {<<_:32/binary>>, _}} <- [cambrian_message:read_request(Bytes)]]).

%% The address does not answer: each next question waits longer. An hour has at most 14.
a_silent_address_is_asked_less_and_less_often_test() ->
    Claim = fun(N, X) ->
                Now = ?T0 + 1000 * N,
                {ok, Envelope, _} =
                    cambrian_envelope:read(envelope(<<N:32>>, 1, genotype(200, 1), 9.0, Now)),
                Bytes =
                    cambrian_message:announcement(news, cambrian_envelope:record(Envelope),
                                                  <<"victim">>),
                {Effects, Next} = cambrian_exchange:heard(Bytes, Now, X),
                lists:foldl(fun(Ref, {Calls, Y}) ->
                                {More, Z} =
                                    cambrian_exchange:answered(Ref, {error, timeout}, Now, Y),
                                {Calls + 1 + length(calls(<<"victim">>, More)), Z}
                            end, {0, Next}, calls(<<"victim">>, Effects))
            end,
    {Calls, _} =
        lists:foldl(fun(N, {All, X}) -> {Some, Next} = Claim(N, X), {All + Some, Next} end,
                    {0, alone(#{})}, lists:seq(1, 3600)),
    ?assert(Calls >= 8 andalso Calls =< 14).

%% An attacker that relays the question to the claimed node gets an answer with another address,
%% and an old answer has another nonce.
only_the_node_at_an_address_can_prove_it_test() ->
    {[{ask, Who, <<"here">>, Question}], X} =
        asks(cambrian_exchange:heard(claims_of(<<"liar">>, 1, <<"here">>), ?T0, alone(#{}))),
    [begin
         {Effects, _} = cambrian_exchange:answered(Who, {ok, Answer}, ?T0, X),
         ?assertEqual([], calls(<<"here">>, Effects))
     end
     || Answer <- [lives(<<"liar">>, <<"elsewhere">>, Question),
                   lives(<<"another">>, <<"here">>, Question), <<>>,
                   lives(<<"liar">>, <<"here">>, cambrian_message:who(<<7:256>>)),
                   cambrian_message:answer(none), binary:copy(<<0>>, 1000)]],
    {Effects, _} =
        cambrian_exchange:answered(Who, {ok, lives(<<"liar">>, <<"here">>, Question)}, ?T0, X),
    ?assertMatch([_], calls(<<"here">>, Effects)).

%% A stranger claims this node's own address.
a_node_does_not_call_its_own_address_test() ->
    {Effects, _} = cambrian_exchange:heard(claims_of(<<"liar">>, 1, <<"me">>), ?T0, alone(#{})),
    ?assertEqual([], calls(<<"me">>, Effects)).

%% Heartbeats of many keys that name one address, under a topology that measures distances.
false_heartbeats_cost_an_address_one_ping_test() ->
    Crowd =
        [hears(cambrian_message:heartbeat(?REALM, <<"victim">>, {?T0, 5000}, identity(<<N:32>>)),
               ?T0) || N <- lists:seq(1, 40)],
    {_, X} = all_of(Crowd, alone(#{topology => {nearest, 2}})),
    {Asked, Y} = cambrian_exchange:tick(?T0 + 100, X),
    [Ref] = calls(<<"victim">>, Asked),
    {_, Z} = cambrian_exchange:answered(Ref, {error, timeout}, ?T0 + 200, Y),
    {More, _} =
        all_of([fun(W) -> cambrian_exchange:tick(?T0 + N * 100, W) end || N <- lists:seq(3, 40)],
               Z),
    ?assertEqual([], calls(<<"victim">>, More)).

%% If strangers announce a genotype that no node has, this node does not ask all others for it.
a_genotype_that_no_node_has_is_seldom_asked_for_test() ->
    There = [fun(X) ->
                 {[{ask, Ref, _, Question}], Y} =
                     asks(cambrian_exchange:heard(claims_of(Who, 900 + N, Who), ?T0, X)),
                 {Effects, Z} =
                     cambrian_exchange:answered(Ref, {ok, lives(Who, Who, Question)}, ?T0, Y),
                 [Request] = calls(Who, Effects),
                 {_, Done} = cambrian_exchange:answered(Request, {error, gone}, ?T0, Z),
                 {_, Alive} = cambrian_exchange:heard(heartbeat_of(Who, ?T0), ?T0, Done),
                 {[], Alive}
             end || {N, Who} <- lists:enumerate([<<"a">>])],
    {_, X} = all_of(There, alone(#{})),
    False = [fun(Y) ->
                 {Effects, Z} =
                     cambrian_exchange:heard(claims_of(<<"key ", (integer_to_binary(N))/binary>>, N,
                                                       <<"nowhere">>), ?T0 + 5000, Y),
                 all_answered(Effects, ?T0 + 5000, Z)
             end || N <- lists:seq(1, 80)],
    {Effects, _} = all_of(False, X),
    Asked = length(calls(<<"a">>, Effects)),
    ?assert(Asked >= 10 andalso Asked =< 30).

%% Makes each call fail, and each call that follows from it.
all_answered(Effects, Now, X) ->
    lists:foldl(fun({ask, Ref, _, _}, {All, Y}) ->
                        {More, Z} = cambrian_exchange:answered(Ref, {error, gone}, Now, Y),
                        {Rest, Last} = all_answered(More, Now, Z),
                        {All ++ Rest, Last};
                   (_, Same) -> Same
                end, {Effects, X}, Effects).
