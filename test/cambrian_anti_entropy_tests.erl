%% One exchange with a replica of a common archive, and other nodes that a test plays: what it asks
%% them, and what it makes of what they say.
-module(cambrian_anti_entropy_tests).
-include_lib("eunit/include/eunit.hrl").

-define(REALM, <<"org.example.test">>).
-define(TASK, <<"maze_medium">>).
-define(T0, 1_800_000_000_000).

%% `asked' has the calls that nobody answered yet, `done' all other effects, the last first.
-record(play, {now = ?T0, x, replica, asked = [], done = []}).

archive(Seed) ->
    {ok, #{archive := Archive}} =
        cambrian:evolve(maze_medium,
                        #{search => map_elites, seed => Seed, generations => 2, target => 1000,
                          params => #{population => 20, cells => 100}}),
    Archive.

begin_with(Archive) -> begin_with(Archive, [<<"liar">>]).

%% The others are there, and their addresses are known.
begin_with(Archive, Others) ->
    Trust = {fun cambrian_realm:ask/3, cambrian_realm:new(#{name => ?REALM})},
    {Effects, X} =
        cambrian_exchange:new(#{realm => ?REALM, identity => identity(<<"me">>),
                                address => <<"me">>,
                                seed => 1, now => ?T0,
                                trust => Trust, common_archive => true}),
    Joined =
        call(join, [?TASK],
             carry_out(Effects, #play{x = X, replica = cambrian_common_archive:new(Archive)})),
    lists:foldl(fun(Name, P) ->
                    call(heard,
                         [cambrian_message:heartbeat(?REALM, Name, {P#play.now, 3_600_000},
                                                     identity(Name))], P)
                end, Joined, Others).

identity(Name) -> cambrian_identity:from_secret(crypto:hash(sha256, Name)).
key(Name) -> maps:get(key, identity(Name)).

call(Function, Arguments, #play{now = Now, x = X} = Play) ->
    {Effects, Next} = apply(cambrian_exchange, Function, Arguments ++ [Now, X]),
    carry_out(Effects, Play#play{x = Next}).

carry_out(Effects, Play) -> lists:foldl(fun effect/2, Play, Effects).

effect({archive, Task}, #play{replica = Replica} = Play) -> call(archived, [Task, Replica], Play);
effect({ask, Ref, Address, Bytes}, #play{asked = Asked} = Play) ->
    {ok, Request} = cambrian_message:read_request(Bytes),
    Play#play{asked = Asked ++ [{Ref, Address, Request}]};
effect(Effect, #play{done = Done} = Play) -> Play#play{done = [Effect | Done]}.

%% Time goes on until it asks something.
question(#play{asked = [{Ref, Address, {who, Nonce}} | Asked]} = Play) ->
    question(call(answered,
                  [Ref, {ok, cambrian_message:lives(?REALM, Address, Nonce, identity(Address))}],
                  Play#play{asked = Asked}));
question(#play{asked = [Asked | Left]} = Play) -> {Asked, Play#play{asked = Left}};
question(#play{x = X, now = Now} = Play) ->
    ?assert(Now < ?T0 + 3_600_000),
    question(call(tick, [], Play#play{now = max(Now + 1, cambrian_exchange:wake(X))})).

answer(Ref, Bytes, Play) -> call(answered, [Ref, {ok, Bytes}], Play).

%% The other node claims this elite, whatever else is asked; until it is asked for the elite, or for
%% nothing more.
claim({Cell, _, _} = Entry, Play) ->
    case question(Play) of
        {{Ref, Name, {compare, #{node := {1, Index}} = Question}}, Next} ->
            Entries = [Entry || Cell div 32 =:= Index],
            claim(Entry, answer(Ref, elites(Question, Entries, Name, Next), Next));
        {{Ref, _, {compare, _}}, Next} ->
            claim(Entry, answer(Ref, cambrian_message:compared({differ, 1 bsl 32 - 1}), Next));
        {{Ref, Name, {Id, []}}, Next} -> {{Ref, Name, Id}, Next}
    end.

elites(Question, Entries, Name, Play) ->
    cambrian_message:elites(?REALM, Question, {claims(Play), Entries}, identity(Name)).

claims(#play{now = Now}) -> #{sequence => Now * 1000, time => Now, grant => undefined}.

give(Ref, Name, Genotype, #play{now = Now} = Play) ->
    #{secret := Secret} = identity(Name),
    {ok, Envelope} =
        cambrian_envelope:seal(#{realm => ?REALM, task => ?TASK, fitness => 1.0, generation => 1,
                                 sequence => Now * 1000,
                                 time => Now}, Genotype, Secret()),
    answer(Ref, cambrian_message:answer({whole, Envelope, undefined}), Play).

reputation(Name, #play{x = X}) -> cambrian_realm:reputation(key(Name), cambrian_exchange:trust(X)).

offers(#play{done = Done}) -> [{Genotype, From} || {offer, ?TASK, Genotype, From} <- Done].

%% An elite of another run that this replica lacks, and an empty cell elsewhere.
lacking() ->
    Own = archive(1),
    Filled = [Cell || #{cell := Cell} <- cambrian_archive:elites(Own)],
    [Elite | _] =
        [One
         || #{cell := Cell} = One <- cambrian_archive:elites(archive(2)),
         not lists:member(Cell, Filled)],
    [Empty | _] = lists:seq(0, 99) -- [maps:get(cell, Elite) | Filled],
    {Own, Elite, Empty}.

%%% ---- what others claim ------------------------------------------------------------------

a_true_claim_is_asked_for_and_measured_test() ->
    {Own, #{cell := Cell, genotype := G, fitness := Fitness, behaviour := Behaviour}, _} =
        lacking(),
    Id = cambrian_genotype:id(G),
    {{Ref, <<"liar">>, Id}, Asked} = claim({Cell, Fitness, Id}, begin_with(Own)),
    Given = give(Ref, <<"liar">>, G, Asked),
    [{_, #{id := Id, common := true}}] = offers(Given),
    Judged =
        call(judged,
             [?TASK, #{id => Id, outcome => accepted, fitness => Fitness, behaviour => Behaviour}],
             Given),
    ?assert(reputation(<<"liar">>, Judged) > 0.5).

a_false_cell_costs_reputation_test() ->
    {Own, #{genotype := G, fitness := Fitness, behaviour := Behaviour}, Empty} = lacking(),
    Id = cambrian_genotype:id(G),
    {{Ref, _, Id}, Asked} = claim({Empty, Fitness, Id}, begin_with(Own)),
    Judged =
        call(judged,
             [?TASK, #{id => Id, outcome => accepted, fitness => Fitness, behaviour => Behaviour}],
             give(Ref, <<"liar">>, G, Asked)),
    ?assert(reputation(<<"liar">>, Judged) < 0.4).

a_false_fitness_costs_reputation_test() ->
    {Own, #{cell := Cell, genotype := G, fitness := Fitness, behaviour := Behaviour}, _} =
        lacking(),
    Id = cambrian_genotype:id(G),
    {{Ref, _, Id}, Asked} = claim({Cell, Fitness + 10, Id}, begin_with(Own)),
    Judged =
        call(judged,
             [?TASK, #{id => Id, outcome => accepted, fitness => Fitness, behaviour => Behaviour}],
             give(Ref, <<"liar">>, G, Asked)),
    ?assert(reputation(<<"liar">>, Judged) < 0.4).

%% Nothing has to be measured for that.
an_own_elite_in_another_cell_is_a_false_claim_test() ->
    {Own, _, Empty} = lacking(),
    [#{genotype := G, fitness := Fitness} | _] = cambrian_archive:elites(Own),
    Play = begin_with(Own),
    ?assertEqual(0.5, reputation(<<"liar">>, Play)),
    Told = until_compared({Empty, Fitness, cambrian_genotype:id(G)}, Play),
    ?assertEqual([], offers(Told)),
    ?assert(reputation(<<"liar">>, Told) < 0.4).

until_compared({Cell, _, _} = Entry, Play) ->
    {{Ref, Name, {compare, #{node := {Level, Index}} = Question}}, Next} = question(Play),
    case Level of
        1 when Index =:= Cell div 32 ->
            answer(Ref, elites(Question, [Entry], Name, Next), Next);
        1 -> until_compared(Entry, answer(Ref, cambrian_message:compared({differ, 0}), Next));
        _ -> until_compared(Entry,
                            answer(Ref, cambrian_message:compared({differ, 1 bsl 32 - 1}), Next))
    end.

%% An elite that nobody has: how long it waits before it asks again.
an_elite_that_does_not_come_is_asked_for_ever_more_seldom_test() ->
    {Own, _, Empty} = lacking(),
    Entry = {Empty, 1.0e9, <<7:256>>},
    Times = asked_at(5, Entry, begin_with(Own)),
    Waits = [B - A || {A, B} <- lists:zip(lists:droplast(Times), tl(Times))],
    ?assertMatch([A, B, C, D] when A >= 10_000 andalso B >= 20_000 andalso C >= 40_000 andalso
                 D >= 80_000, Waits).

asked_at(0, _Entry, _Play) -> [];
asked_at(N, Entry, Play) ->
    {{Ref, _, _}, #play{now = Now} = Asked} = claim(Entry, Play),
    [Now | asked_at(N - 1, Entry, nothing(Ref, Asked))].

%% A message may have been lost: the same node is asked three times in all.
nothing(Ref, Play) ->
    #play{asked = [{Next, _, {_, []}}]} = Second = refused(Ref, Play),
    #play{asked = [{Last, _, {_, []}}]} = Third = refused(Next, Second#play{asked = []}),
    #play{asked = []} = refused(Last, Third#play{asked = []}).

refused(Ref, Play) -> answer(Ref, cambrian_message:answer(none), Play).

%% Of all that an answer claims.
no_more_than_two_are_asked_for_at_once_test() ->
    {Own, _, _} = lacking(),
    {{Ref, Name, {compare, #{node := Top}}}, Play} = question(begin_with(Own)),
    ?assertEqual({2, 0}, Top),
    {{Last, _, {compare, #{node := {1, 0}} = Question}}, Leaf} =
        question(answer(Ref, cambrian_message:compared({differ, 1}), Play)),
    Entries = [{Cell, 1.0e9, <<Cell:256>>} || Cell <- lists:seq(0, 31)],
    #play{asked = Requests} = answer(Last, elites(Question, Entries, Name, Leaf), Leaf),
    ?assertEqual(2, length(Requests)).

an_answer_that_another_key_signed_counts_for_nothing_test() ->
    {Own, _, Empty} = lacking(),
    Play = begin_with(Own),
    {{Ref, _, {compare, _}}, First} = question(Play),
    {{Last, _, {compare, #{node := {1, 0}} = Question}}, Third} =
        question(answer(Ref, cambrian_message:compared({differ, 1}), First)),
    Forged = cambrian_message:elites(?REALM, Question, {claims(Third), [{Empty, 1.0e9, <<7:256>>}]},
                                     (identity(<<"other">>))#{key := key(<<"liar">>)}),
    #play{asked = []} = Told = answer(Last, Forged, Third),
    ?assertEqual(0.5, reputation(<<"liar">>, Told)).

elites_in_other_cells_than_the_question_names_count_for_nothing_test() ->
    {Own, _, _} = lacking(),
    {{Ref, Name, {compare, _}}, Play} = question(begin_with(Own)),
    {{Last, _, {compare, #{node := {1, 0}} = Question}}, Leaf} =
        question(answer(Ref, cambrian_message:compared({differ, 1}), Play)),
    Answered = fun(Cell) ->
                   Entries = [{Cell, 1.0e9, <<Cell:256>>}],
                   #play{asked = Asked} = answer(Last, elites(Question, Entries, Name, Leaf), Leaf),
                   length(Asked)
               end,
    ?assertEqual({1, 0}, {Answered(31), Answered(32)}).

%% Another node may answer with any bytes.
no_answer_crashes_the_exchange_test_() ->
    {timeout, 60, fun() ->
        {Own, _, _} = lacking(),
        {{Ref, Name, {compare, #{node := Node} = Question}}, Play} = question(begin_with(Own)),
        Good = [cambrian_message:compared({differ, 1}), cambrian_message:answer(none),
                elites(Question#{node := Node}, [{0, 1.0, <<1:256>>}], Name, Play)],
        _ = [answer(Ref, Bytes, Play)
             || One <- Good, Size <- lists:seq(0, byte_size(One)),
             Bytes <- [binary:part(One, 0, Size)]],
        _ = [answer(Ref, crypto:strong_rand_bytes(Size), Play) || Size <- lists:seq(0, 300)],
        _ = [call(answered, [Ref, {error, timeout}], Play)]
    end}.

%%% ---- what others ask --------------------------------------------------------------------

asked(Question, From, #play{now = Now, x = X} = Play) ->
    {Effects, {answer, Answer}, Next} =
        cambrian_exchange:asked(cambrian_message:compare(Question), From, Now, X),
    {Answer, carry_out(Effects, Play#play{x = Next})}.

asks_of_another_subject_or_part_get_nothing_test() ->
    Play = begin_with(archive(1)),
    Replica = Play#play.replica,
    Question =
        #{subject => cambrian_common_archive:subject(Replica), nonce => <<1:128>>, node => {2, 0},
          digests => <<1:512>>},
    {Differs, _} = asked(Question, <<"liar">>, Play),
    ?assertEqual({ok, {differ, 15}}, cambrian_message:read_compared(Differs)),
    {Same, _} =
        asked(Question#{digests := cambrian_common_archive:root(Replica)}, <<"liar">>, Play),
    ?assertEqual({ok, {differ, 0}}, cambrian_message:read_compared(Same)),
    Nothing = cambrian_message:answer(none),
    _ = [?assertEqual({Nothing, Changed},
                      {element(1, asked(maps:merge(Question, Changed), <<"liar">>, Play)), Changed})
         || Changed <- [#{subject => <<7:128>>}, #{node => {3, 0}}, #{node => {2, 1}},
                        #{node => {1, 4}}, #{digests => <<>>},
                        #{node => {1, 0}}]].

%% A liar that shows another root each second has the node call it no more often than every other
%% time, and never more than once in five seconds on average.
a_changing_root_keeps_nobody_from_others_test() ->
    Play = begin_with(archive(1), [<<"liar">>, <<"a">>, <<"b">>, <<"c">>]),
    Calls = calls(600, Play),
    ?assert(length(Calls) =< 600 / 2.5),
    Liars = length([Name || Name <- Calls, Name =:= <<"liar">>]),
    ?assert(length(Calls) > 50),
    ?assert(Liars < 0.8 * length(Calls)).

%% Whom it compares with. Nobody differs.
calls(0, _Play) -> [];
calls(Seconds, #play{replica = Replica} = Play) ->
    Question =
        #{subject => cambrian_common_archive:subject(Replica), nonce => <<1:128>>, node => {2, 0},
          digests => <<Seconds:512>>},
    {_, Shown} = asked(Question, <<"liar">>, Play),
    {Names, Next} = second(Shown#play.now + 1000, Shown),
    Names ++ calls(Seconds - 1, Next).

second(End, #play{asked = [{Ref, Address, {who, Nonce}} | Asked]} = Play) ->
    second(End,
           call(answered,
                [Ref, {ok, cambrian_message:lives(?REALM, Address, Nonce, identity(Address))}],
                Play#play{asked = Asked}));
second(End, #play{asked = [{Ref, Address, {compare, _}} | Asked]} = Play) ->
    {Names, Next} =
        second(End, answer(Ref, cambrian_message:compared({differ, 0}), Play#play{asked = Asked})),
    {[Address | Names], Next};
second(End, #play{x = X, now = Now} = Play) ->
    case max(Now + 1, cambrian_exchange:wake(X)) of
        At when At > End -> {[], Play#play{now = End}};
        At -> second(End, call(tick, [], Play#play{now = At}))
    end.

%% With nothing new, it asks once a minute.
equal_replicas_are_compared_ever_more_seldom_test() ->
    Play = begin_with(archive(1), [<<"a">>, <<"b">>]),
    {_, Settled} = second(?T0 + 300_000, Play),
    {Names, _} = second(?T0 + 900_000, Settled),
    ?assert(length(Names) >= 8),
    ?assert(length(Names) =< 21).

without_the_option_nothing_is_compared_test() ->
    {_, X} =
        cambrian_exchange:new(#{realm => ?REALM, identity => identity(<<"me">>),
                                address => <<"me">>,
                                seed => 1, now => ?T0,
                                trust =>
                                    {fun cambrian_realm:ask/3,
                                     cambrian_realm:new(#{name => ?REALM})}}),
    {Effects, Joined} = cambrian_exchange:join(?TASK, ?T0, X),
    ?assertEqual([], [Effect || {archive, _} = Effect <- Effects]),
    Question = #{subject => <<1:128>>, nonce => <<1:128>>, node => {3, 0}, digests => <<1:128>>},
    {[], {answer, Nothing}, _} =
        cambrian_exchange:asked(cambrian_message:compare(Question), <<"a">>, ?T0, Joined),
    ?assertEqual(cambrian_message:answer(none), Nothing).
