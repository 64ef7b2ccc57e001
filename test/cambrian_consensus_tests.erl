%% The decisions of single members, event by event. Whole federations are in
%% cambrian_consensus_schedules_tests.
-module(cambrian_consensus_tests).
-include_lib("eunit/include/eunit.hrl").

-define(A, <<"a">>).
-define(B, <<"b">>).
-define(C, <<"c">>).

first() -> first([?A, ?B, ?C]).
first(Voters) -> cambrian_record:first(Voters, <<"first">>).

new(Member, Options) ->
    Defaults = #{member => Member, seed => 1, now => 0, records => [first()]},
    cambrian_consensus:new(maps:merge(Defaults, Options)).

voter(Member) ->
    {_, C} = new(Member, #{}),
    C.

%% Handles events at one time, and returns the effects of the last.
last(Events, C) -> last(Events, 0, C).
last([Event], Now, C) -> cambrian_consensus:handle(Event, Now, C);
last([Event | Events], Now, C) ->
    {_, Next} = cambrian_consensus:handle(Event, Now, C),
    last(Events, Now, Next).

from(Member, Message) -> {message, Member, Message}.

sends(Effects) -> [{To, Message} || {send, To, Message} <- Effects].

%% A candidate with the promises of the others, and its epoch.
coordinator(Member) ->
    C = voter(Member),
    Wake = cambrian_consensus:wake(C),
    {Effects, Standing} = last([tick], Wake, C),
    [{_, {stand, Epoch, 0}} | _] = sends(Effects),
    [Other | _] = [?A, ?B, ?C] -- [Member],
    {_, Coordinating} = last([from(Other, {promise, Epoch, 0, none})], Wake, Standing),
    {Epoch, Coordinating}.

a_log_of_one_voter_needs_nobody_test() ->
    {Effects, C} = new(?A, #{records => [first([?A])]}),
    ?assertMatch([{persist, _}, {coordinator, {1, ?A}}], Effects),
    {Decided, _} = last([{propose, {1, ?A}, 1, <<"one">>}], C),
    ?assertMatch([{persist, #{accepted := {{1, ?A}, #{number := 1}}}},
                  {committed, #{number := 1, body := <<"one">>, voters := [?A]}}], Decided).

silence_makes_a_voter_stand_and_promises_make_it_coordinate_test() ->
    {{1, ?A} = Epoch, C} = coordinator(?A),
    ?assertMatch(#{coordinator := Epoch, number := 0}, cambrian_consensus:status(C)).

what_is_promised_is_kept_before_it_is_sent_test() ->
    {Effects, _} = last([from(?B, {stand, {4, ?B}, 0})], voter(?A)),
    ?assertMatch([{persist, #{promised := {4, ?B}}}, {send, ?B, {promise, {4, ?B}, 0, none}}],
                 Effects).

an_earlier_epoch_is_refused_test() ->
    Promised = [from(?B, {stand, {4, ?B}, 0})],
    Record = cambrian_record:next({3, ?C}, [?A, ?B, ?C], <<"late">>, first()),
    #{hash := Hash} = first(),
    [?assertEqual([{?C, {refused, {4, ?B}}}],
                  sends(element(1, last(Promised ++ [from(?C, Message)], voter(?A)))))
     || Message <- [{stand, {3, ?C}, 0}, {accept, {3, ?C}, Record},
                    {coordinator, {3, ?C}, 0, Hash}]].

%% The record keeps the epoch in which it was first proposed, so it keeps its hash.
the_latest_record_that_promises_bring_is_proposed_again_test() ->
    Old = cambrian_record:next({1, ?B}, [?A, ?B, ?C], <<"old">>, first()),
    New = cambrian_record:next({2, ?C}, [?A, ?B, ?C], <<"new">>, first()),
    {_, C} = new(?A, #{kept => #{promised => {2, ?C}, accepted => {{1, ?B}, Old},
                                 record => first()}}),
    {_, Standing} = last([tick], cambrian_consensus:wake(C), C),
    {Effects, _} = last([from(?B, {promise, {3, ?A}, 0, {{2, ?C}, New}})],
                        cambrian_consensus:wake(C), Standing),
    ?assertEqual([{accept, {3, ?A}, New}],
                 lists:usort([Accept || {_, {accept, _, _} = Accept} <- sends(Effects)])).

a_majority_commits_and_the_others_are_told_test() ->
    {Epoch, C} = coordinator(?A),
    {Effects, Told} = last([{propose, Epoch, 1, <<"one">>}, from(?B, {accepted, Epoch, 1})], C),
    ?assertMatch([{committed, #{number := 1, body := <<"one">>}} | _], Effects),
    ?assertMatch([{?B, {coordinator, Epoch, 1, _}}, {?C, {coordinator, Epoch, 1, _}}],
                 lists:usort(sends(Effects))),
    {Next, _} = last([{propose, Epoch, 2, <<"two">>}], Told),
    ?assertMatch([{persist, _}, {send, _, {accept, _, #{number := 2}}} | _], Next).

a_proposal_is_refused_with_a_reason_test() ->
    {Epoch, C} = coordinator(?A),
    Refused = fun(Events) ->
                  {Effects, _} = last(Events, C),
                  [Reason || {rejected, _, Reason} <- Effects]
              end,
    ?assertEqual([not_coordinator], Refused([{propose, {9, ?A}, 1, <<>>}])),
    ?assertEqual([{next, 1}], Refused([{propose, Epoch, 2, <<>>}])),
    ?assertEqual([busy], Refused([{propose, Epoch, 1, <<>>}, {propose, Epoch, 1, <<>>}])),
    ?assertEqual([too_large], Refused([{propose, Epoch, 1, <<0:(8 * 1_048_577)>>}])).

%% Otherwise a member that hears nobody would end an epoch that serves all others.
whoever_hears_a_coordinator_promises_nothing_to_others_test() ->
    #{hash := Hash} = first(),
    Following = [from(?B, {coordinator, {4, ?B}, 0, Hash})],
    ?assertEqual([], sends(element(1, last(Following ++ [from(?C, {stand, {5, ?C}, 0})],
                                           voter(?A))))),
    ?assertMatch([{?B, {promise, {5, ?B}, 0, none}}],
                 sends(element(1, last(Following ++ [from(?B, {stand, {5, ?B}, 0})], voter(?A))))),
    ?assertMatch([{?C, {promise, {5, ?C}, 0, none}}],
                 sends(element(1, last(Following ++ [{down, ?B}, from(?C, {stand, {5, ?C}, 0})],
                                       voter(?A))))).

a_coordinator_that_hears_no_majority_stops_test() ->
    {_, C} = coordinator(?A),
    {Effects, _} = last([tick], 10_000, C),
    ?assertEqual([{coordinator, none}], Effects).

a_member_that_is_no_voter_neither_stands_nor_promises_test() ->
    {_, Learner} = new(<<"d">>, #{}),
    ?assertEqual([], element(1, last([from(?B, {stand, {4, ?B}, 0})], Learner))),
    {Effects, _} = last([tick], 10_000, Learner),
    ?assertEqual([{?A, {want, 0}}, {?B, {want, 0}}, {?C, {want, 0}}], sends(Effects)).

a_voter_that_may_not_coordinate_never_stands_test() ->
    {_, C} = new(?A, #{coordinator => never}),
    {Effects, _} = last([tick], 10_000, C),
    ?assertEqual([{?B, {want, 0}}, {?C, {want, 0}}], sends(Effects)).

a_member_that_lacks_records_gets_them_or_hears_that_it_is_behind_test() ->
    {_, C} = new(?A, #{records => [first([?A])], window => 2}),
    {_, Longer} = last([{propose, {1, ?A}, N, <<N>>} || N <- [1, 2, 3]], C),
    Answer = fun(Number) -> sends(element(1, last([from(?B, {want, Number})], Longer))) end,
    ?assertMatch([{?B, {records, [#{number := 2}, #{number := 3}]}}], Answer(1)),
    ?assertMatch([{?B, {records, [#{number := 3}]}}], Answer(2)),
    ?assertMatch([{?B, {coordinator, {1, ?A}, 3, _}}], Answer(3)),
    ?assertMatch([{?B, {behind, 3}}], Answer(0)).

records_of_one_answer_fit_into_a_message_test() ->
    {_, C} = new(?A, #{records => [first([?A])]}),
    Body = <<0:(8 * 400_000)>>,
    {_, Longer} = last([{propose, {1, ?A}, N, Body} || N <- [1, 2, 3]], C),
    [{?B, Answer}] = sends(element(1, last([from(?B, {want, 0})], Longer))),
    ?assertMatch({records, [#{number := 1}, #{number := 2}]}, Answer),
    ?assert(byte_size(cambrian_consensus_message:encode(Answer))
            =< cambrian_consensus_message:max_bytes()).

a_checkpoint_is_taken_in_place_of_records_test() ->
    {_, Learner} = new(<<"d">>, #{records => []}),
    {Behind, _} = last([from(?A, {behind, 7})], Learner),
    ?assertEqual([{behind, 7, ?A}], Behind),
    Later = lists:foldl(fun(N, R) -> cambrian_record:next({1, ?A}, [?A], <<N>>, R) end, first(),
                        lists:seq(1, 7)),
    {[], Installed} = last([{install, Later}], Learner),
    ?assertMatch(#{number := 7, voters := [?A]}, cambrian_consensus:status(Installed)),
    {[], _} = last([{install, first()}], Installed).

%% A dead voter makes room for a member that is there.
a_record_names_living_members_as_the_next_voters_test() ->
    {_, C} = new(?A, #{records => [first([?A])]}),
    Here = [from(Member, {here, {1, ?A}, 0}) || Member <- [?B, ?C, <<"d">>]],
    Voters = fun(Events) ->
                 {Effects, _} = last(Events ++ [{propose, {1, ?A}, 1, <<>>}], C),
                 [V || {committed, #{voters := V}} <- Effects]
             end,
    ?assertEqual([[?A]], Voters([])),
    %% two are no better than one
    ?assertEqual([[?A]], Voters([hd(Here)])),
    ?assertEqual([[?A, ?B, ?C]], Voters(Here)),
    ?assertEqual([[?A, ?C, <<"d">>]], Voters(Here ++ [{down, ?B}])).

%%% ---- messages ---------------------------------------------------------------------------

messages() ->
    Epoch = {4, ?B},
    Record = cambrian_record:next(Epoch, [?A], <<"body">>, first()),
    #{hash := Hash} = Record,
    [{stand, Epoch, -1}, {promise, Epoch, 0, none}, {promise, Epoch, 0, {{3, ?C}, Record}},
     {accept, Epoch, Record}, {accepted, Epoch, 1}, {coordinator, Epoch, 1, Hash},
     {here, Epoch, 1}, {refused, Epoch}, {want, -1}, {records, [first(), Record]}, {behind, 7}].

bytes_give_the_message_again_test() ->
    [?assertEqual({ok, Message},
                  cambrian_consensus_message:decode(cambrian_consensus_message:encode(Message)))
     || Message <- messages()].

no_damaged_bytes_crash_the_reader_of_messages_test() ->
    [?assertMatch({Answer, _} when Answer =:= ok; Answer =:= error,
                                   cambrian_consensus_message:decode(Damaged))
     || Message <- messages(), Bytes <- [cambrian_consensus_message:encode(Message)],
        At <- lists:seq(0, byte_size(Bytes) - 1),
        <<Before:At/binary, Byte, After/binary>> <- [Bytes],
        Damaged <- [Before, <<Before/binary, After/binary>>,
                    <<Before/binary, (Byte bxor 16#55), After/binary>>,
                    <<Before/binary, 16#c0, After/binary>>]].

other_terms_are_malformed_test() ->
    [?assertEqual({error, malformed}, cambrian_consensus_message:decode(Term))
     || Term <- [<<>>, atom, <<1:3>>, <<0:(8 * 1_100_000)>>, <<16#91, 16#ff>>, <<16#91, 100>>]].
