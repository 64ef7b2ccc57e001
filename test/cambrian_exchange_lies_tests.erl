%% Of what nodes claim, only what another node measured counts, and no bytes do harm.
-module(cambrian_exchange_lies_tests).
-include_lib("eunit/include/eunit.hrl").
-include("cambrian_exchanges.hrl").
-import(cambrian_exchanges, [add/3, all_best/1, asks/1, best/2, bred/4, call/4, did/2, envelope/5,
                             genotype/2, id/1, key/1, later/2, lives/3, steps/3, world/1, world/2,
                             worth/3]).

%%% ---- lies --------------------------------------------------------------------------------

the_measured_fitness_counts_and_not_the_claimed_one_test() ->
    G = genotype(2, 1),
    World =
        call(<<"a">>, heard, [envelope(<<"liar">>, 1, G, 1.0e9, ?T0)],
             worth(G, 0.5, world([<<"a">>]))),
    ?assertEqual({id(G), 0.5}, best(<<"a">>, World)),
    Trust = cambrian_exchange:trust(maps:get(<<"a">>, World#world.nodes)),
    ?assert(cambrian_realm:reputation(key(<<"liar">>), Trust) < 0.5).

after_five_lies_no_genotype_of_the_key_is_measured_test() ->
    World =
        lists:foldl(fun(N, W) ->
            call(<<"a">>, heard, [envelope(<<"liar">>, N, genotype(2, N), 1.0e9, ?T0)], W) end,
                    world([<<"a">>]), lists:seq(1, 20)),
    ?assertEqual(5, length(did(offer, World))).

%% The node drops the banned champion, its other genotypes, and its own descendants of them. It
%% publishes a less fit champion of its own instead.
a_banned_genotype_is_dropped_test() ->
    [G, Better, Own] = [genotype(2, Seed) || Seed <- [1, 2, 3]],
    Before =
        bred(<<"a">>, Better, 2.0,
             later(2000, bred(<<"a">>, G, 1.0, world([<<"a">>, <<"b">>], #{threshold => 0})))),
    ?assertEqual({id(Better), 2.0}, best(<<"b">>, Before)),
    ?assertMatch({whole, _, _}, given(Better, Before)),
    ?assertMatch({whole, _, _}, given(G, Before)),
    Banned = call(<<"b">>, banned, [#{keys => [key(<<"a">>)], genotypes => []}], Before),
    ?assertEqual({none, none, none},
                 {best(<<"b">>, Banned), given(Better, Banned), given(G, Banned)}),
    ?assertEqual([received, offered, judged, banned], steps(<<"b">>, Better, Banned)),
    ?assertEqual([received, offered, judged, banned], steps(<<"b">>, G, Banned)),
    ?assertEqual({id(Better), 2.0}, best(<<"a">>, Banned)),
    %% the banned node is cut off, so only the own champion counts
    Left = later(5000, bred(<<"b">>, Own, 0.5, Banned#world{cut = fun(_, _) -> true end})),
    ?assertEqual({id(Own), 0.5}, best(<<"b">>, Left)),
    ?assertMatch([published | _], steps(<<"b">>, Own, Left)),
    %% a ban of a genotype drops it too, whichever key sent it
    OfId = call(<<"b">>, banned, [#{keys => [], genotypes => [id(Better)]}], Before),
    ?assertEqual({none, none}, {best(<<"b">>, OfId), given(Better, OfId)}),
    ?assertMatch({whole, _, _}, given(G, OfId)).

given(Genotype, #world{now = Now, nodes = #{<<"b">> := X}}) ->
    {_, Answer, _} =
        cambrian_island:answer(cambrian_exchange:asked(cambrian_message:request(id(Genotype), []),
                                                       <<"a">>, Now, X)),
    {ok, Read} = cambrian_message:read_answer(Answer),
    Read.

%% An announcement as news says that its key bred the genotype, so the lineage records it. An
%% announcement of the best known genotype does not.
a_claim_to_have_bred_a_measured_genotype_is_recorded_in_the_lineage_test() ->
    G = genotype(200, 1),
    Other = add(<<"thief">>, #{}, bred(<<"a">>, G, 1.0, world([<<"a">>, <<"c">>]))),
    Before = length(did(lineage, Other)),
    %% the thief has never heard of the genotype and claims to have bred it
    Said = bred(<<"thief">>, G, 1.0, Other),
    ?assertMatch([_ | _], lists:nthtail(Before, did(lineage, Said))),
    {ok, Read, _} = cambrian_envelope:read(envelope(<<"thief">>, 1, G, 1.0, ?T0)),
    Told = fun(Urgency) ->
               Record = cambrian_envelope:record(Read),
               Bytes = cambrian_message:announcement(Urgency, Record, <<"thief">>),
               lists:nthtail(Before, did(lineage, call(<<"a">>, heard, [Bytes], Other)))
           end,
    ?assertMatch({[{<<"a">>, _}], []}, {Told(news), Told(best)}).

%% Neither as a champion nor as a picked migrant.
a_genotype_with_banned_genes_is_not_published_test() ->
    [G, Own] = [genotype(2, Seed) || Seed <- [1, 2]],
    {ok, Realm} =
        cambrian_realm:ban({key, key(<<"thief">>)}, <<>>, ?T0,
                           cambrian_realm:new(#{name => ?REALM})),
    World = add(<<"b">>, #{trust => {fun cambrian_realm:ask/3, Realm}}, world([<<"a">>])),
    Of = fun(Genotype, Keys) ->
             #{champion => Genotype, fitness => 1.0, generation => 1,
               sources => [#{genotype => <<3:256>>, keys => Keys}]}
         end,
    Banned = call(<<"b">>, picked, [?TASK, Of(G, [key(<<"thief">>)])],
                  call(<<"b">>, bred, [?TASK, Of(G, [key(<<"friend">>), key(<<"thief">>)])],
                       World)),
    ?assertEqual({[], none, none},
                 {steps(<<"b">>, G, Banned), best(<<"b">>, Banned), best(<<"a">>, Banned)}),
    Told = call(<<"b">>, bred, [?TASK, Of(Own, [key(<<"friend">>)])], worth(Own, 1.0, Banned)),
    ?assertEqual([{id(Own), 1.0}], all_best(Told)).

a_node_ignores_its_own_messages_test() ->
    World = bred(<<"a">>, genotype(2, 1), 1.0, world([<<"a">>])),
    Again =
        lists:foldl(fun({_, {publish, Bytes}}, W) -> call(<<"a">>, heard, [Bytes], W) end, World,
                    did(publish, World)),
    ?assertEqual({[], best(<<"a">>, World)}, {did(offer, Again), best(<<"a">>, Again)}).

an_address_that_delivers_nothing_costs_one_question_test() ->
    {ok, Read, _} = cambrian_envelope:read(envelope(<<"liar">>, 1, genotype(200, 1), 9.0, ?T0)),
    Bytes = cambrian_message:announcement(news, cambrian_envelope:record(Read), <<"nowhere">>),
    World = call(<<"a">>, heard, [Bytes], world([<<"a">>])),
    ?assertEqual({1, none}, {length(did(ask, World)), best(<<"a">>, World)}),
    ?assertEqual([announced, not_delivered], steps(<<"a">>, genotype(200, 1), World)).

%% Another genotype than the announced one, bytes that are no envelope, an empty answer, an error.
a_wrong_answer_is_never_offered_to_a_population_test_() ->
    {timeout, 60, fun a_wrong_answer_is_never_offered_to_a_population/0}.

a_wrong_answer_is_never_offered_to_a_population() ->
    {ok, Read, _} = cambrian_envelope:read(envelope(<<"liar">>, 1, genotype(200, 1), 9.0, ?T0)),
    Bytes = cambrian_message:announcement(news, cambrian_envelope:record(Read), <<"nowhere">>),
    Other = envelope(<<"liar">>, 2, genotype(200, 2), 9.0, ?T0),
    [begin
         {[{ask, Who, _, Question}], Asked} =
             asks(cambrian_exchange:heard(Bytes, ?T0,
                                          maps:get(<<"a">>, (world([<<"a">>]))#world.nodes))),
         {[{ask, Ref, _, _}], Asking} =
             asks(cambrian_exchange:answered(Who, {ok, lives(<<"liar">>, <<"nowhere">>, Question)},
                                             ?T0, Asked)),
         {Effects, _} = cambrian_exchange:answered(Ref, Answer, ?T0, Asking),
         ?assertEqual([], [Offer || {offer, _, _, _} = Offer <- Effects])
     end
     || Answer <- [{ok, <<>>}, {ok, <<"rubbish">>}, {error, timeout},
                   {error, {anything, [at, all]}},
                   {ok, cambrian_message:answer({whole, Other, undefined})},
                   {ok, cambrian_message:answer({whole, <<"rubbish">>, undefined})},
                   {ok,
                    cambrian_message:answer({difference, id(genotype(200, 2)), <<"rubbish">>,
                                             undefined})},
                   {ok, cambrian_message:answer({elsewhere, <<0:256>>, <<"rubbish">>})}]].

%%% ---- any bytes ---------------------------------------------------------------------------

%% Genuine messages with a damaged place: no forged genotype is ever offered, and no exchange
%% crashes.
no_bytes_crash_an_exchange_test_() ->
    {timeout, 120, fun() ->
        World =
            bred(<<"a">>, genotype(200, 2), 2.0,
                 later(2000, bred(<<"a">>, genotype(200, 1), 1.0, world([<<"a">>, <<"b">>])))),
        Said = list_to_tuple([Bytes || {_, {publish, Bytes}} <- did(publish, World)]),
        Asked = list_to_tuple([Bytes || {_, {ask, _, _, Bytes}} <- did(ask, World)]),
        Given = list_to_tuple([Bytes || {_, {answer, Bytes}} <- did(answer, World)]),
        Fresh = maps:get(<<"c">>, (world([<<"c">>]))#world.nodes),
        A = maps:get(<<"a">>, World#world.nodes),
        Step = fun(N, {X, Rand0}) ->
                       {Heard, Rand1} = damaged(Said, Rand0),
                       {Asking, Rand2} = damaged(Asked, Rand1),
                       {Answer, Rand3} = damaged(Given, Rand2),
                       {Effects, X1} = cambrian_exchange:heard(Heard, ?T0, X),
                       ?assertEqual([], [Offer || {offer, _, _, _} = Offer <- Effects]),
                       %% no faster than requests are served
                       Answered = cambrian_exchange:asked(Asking, <<"b">>, ?T0 + 1000 * N, A),
                       {_, Bytes, _} = cambrian_island:answer(Answered),
                       ?assert(is_answer(Bytes)),
                       {_, X2} =
                           lists:foldl(fun({ask, Ref, _, _}, {_, Y}) ->
                               cambrian_exchange:answered(Ref, {ok, Answer}, ?T0, Y);
                                          (_, Same) -> Same
                                       end, {[], X1}, Effects),
                       {X2, Rand3}
               end,
        lists:foldl(Step, {Fresh, rand:seed_s(exsss, 7)}, lists:seq(1, 5000))
    end}.

is_answer(Bytes) ->
    element(1, cambrian_message:read_answer(Bytes)) =:= ok orelse byte_size(Bytes) =:= 102.

damaged(Messages, Rand) ->
    {Which, Rand1} = rand:uniform_s(tuple_size(Messages), Rand),
    Bytes = element(Which, Messages),
    {At, Rand2} = rand:uniform_s(byte_size(Bytes), Rand1),
    {Mask, Rand3} = rand:uniform_s(255, Rand2),
    <<Before:(At - 1)/binary, Byte, After/binary>> = Bytes,
    {<<Before/binary, (Byte bxor Mask), After/binary>>, Rand3}.

%% After each tick the next wake lies in the future, so a bridge does not spin.
the_next_wake_is_always_later_test_() -> {timeout, 60, fun the_next_wake_is_always_later/0}.

the_next_wake_is_always_later() ->
    World =
        bred(<<"a">>, genotype(2, 1), 1.0,
             world([<<"a">>, <<"b">>],
                   #{policy => random, migration_interval => 1, topology => {nearest, 2}})),
    X = maps:get(<<"a">>, (later(?MINUTE, World))#world.nodes),
    Spin = fun Spin(_, Y, 0) -> Y;
               Spin(Now, Y, N) ->
                   {_, Next} = cambrian_exchange:tick(Now, Y),
                   case cambrian_exchange:wake(Next) > Now of
                       true -> Spin(cambrian_exchange:wake(Next), Next, N - 1);
                       %% one of Trickle's two times may be now
                       false ->
                           {_, Last} = cambrian_exchange:tick(Now, Next),
                           ?assert(cambrian_exchange:wake(Last) > Now),
                           Spin(cambrian_exchange:wake(Last), Last, N - 1)
                   end
           end,
    Spin(?T0 + ?MINUTE, X, 1000).

the_same_seed_gives_the_same_messages_test_() ->
    {timeout, 60, fun the_same_seed_gives_the_same_messages/0}.

the_same_seed_gives_the_same_messages() ->
    Run =
        fun() ->
            (later(10 * ?MINUTE,
                   bred(<<"a">>, genotype(2, 1), 1.0,
                        world([<<"a">>, <<"b">>, <<"c">>]))))#world.done end,
    Plain = fun(Done) -> [{Name, Effect} || {Name, {publish, _} = Effect} <- Done] end,
    ?assertEqual(Plain(Run()), Plain(Run())).

%% A node that announces the best genotype but does not deliver it makes the others speak less,
%% since the news is out. A node that lacks the genotype asks them.
a_node_that_withholds_a_genotype_cannot_hide_it_test() ->
    Names = [<<"a">>, <<"b">>, <<"late">>, <<"withholder">>],
    Met = later(?MINUTE, world(Names)),
    Unheard =
        fun(From, To) ->
            To =:= <<"late">> andalso From =/= <<"withholder">> orelse
                {From, To} =:= {<<"late">>, <<"withholder">>} end,
    G = genotype(200, 1),
    World = later(?MINUTE, bred(<<"a">>, G, 1.0, Met#world{cut = Unheard})),
    ?assertEqual([{id(G), 1.0}], all_best(World)),
    ?assertEqual([announced, not_delivered, asked, received, offered, judged],
                 lists:sublist(steps(<<"late">>, G, World), 6)).
