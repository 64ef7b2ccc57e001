%% Replicas of a common archive find in which cells they differ, by digests, with few and short
%% questions.
-module(cambrian_common_archive_tests).
-include_lib("eunit/include/eunit.hrl").

-define(REALM, <<"org.example.test">>).

archive(Seed) -> archive(Seed, #{}).
archive(Seed, Params) ->
    {ok, #{archive := Archive}} =
        cambrian:evolve(maze_medium,
                        #{search => map_elites, seed => Seed, generations => 3, target => 1000,
                          params => maps:merge(#{population => 40}, Params)}),
    Archive.

replica(Seed) -> cambrian_common_archive:new(archive(Seed)).

%% What a node learns of another: all entries that it wants, and how many questions that took.
compare(Own, Other) -> compare([cambrian_common_archive:top(Own)], Own, Other, {[], 0}).

compare([], _Own, _Other, Found) -> Found;
compare([{Level, _} = Node | Left], Own, Other, {Entries, Asked}) ->
    Digests = cambrian_common_archive:digests(Node, Own),
    ?assert(byte_size(Digests) =< 512),
    {ok, Bits} = cambrian_common_archive:differing(Node, Digests, Other),
    case Level of
        1 ->
            New = cambrian_common_archive:entries(Node, Bits, Other),
            compare(Left, Own, Other, {New ++ Entries, Asked + 1});
        _ -> compare(cambrian_common_archive:children(Node, {Bits, Own}) ++ Left, Own, Other,
                     {Entries, Asked + 1})
    end.

%% By the union of both, which the library makes.
a_replica_wants_the_elites_by_which_a_union_would_change_it_test() ->
    {A, B} = {archive(1), archive(2)},
    {Own, Other} = {cambrian_common_archive:new(A), cambrian_common_archive:new(B)},
    {Entries, _} = compare(Own, Other),
    {ok, Union} = cambrian_archive:merge(A, B),
    Of = fun(Archive) ->
             [{Cell, Fitness, cambrian_genotype:id(G)}
              || #{cell := Cell, fitness := Fitness,
                   genotype := G} <- cambrian_archive:elites(Archive)]
         end,
    Lacking = Of(Union) -- Of(A),
    ?assert(length(Lacking) > 10),
    ?assertEqual(Lacking, lists:sort(cambrian_common_archive:wanted(Entries, Own))),
    [{Cell, Fitness, Id} | _] = Lacking,
    {ok, Genotype, Fitness} = cambrian_common_archive:find(Id, Other),
    ?assertEqual(Id, cambrian_genotype:id(Genotype)),
    ?assertEqual({{ok, Cell, Fitness}, error},
                 {cambrian_common_archive:place(Id, Other),
                  cambrian_common_archive:place(Id, Own)}).

equal_replicas_need_one_question_test() ->
    ?assertEqual({[], 1}, compare(replica(1), replica(1))),
    ?assertEqual(cambrian_common_archive:root(replica(1)),
                 cambrian_common_archive:root(replica(1))),
    ?assertNotEqual(cambrian_common_archive:root(replica(1)),
                    cambrian_common_archive:root(replica(2))).

%% Of 2,500 cells, one question for each level.
one_elite_is_found_by_three_questions_test() ->
    A = archive(1),
    Empty = archive(7, #{population => 2}),
    {ok, Union} = cambrian_archive:merge(A, Empty),
    Of = fun(Archive) ->
        [{Cell, cambrian_genotype:id(G)}
         || #{cell := Cell, genotype := G} <- cambrian_archive:elites(Archive)] end,
    case Of(Union) -- Of(A) of
        [] -> ok;
        New ->
            {Entries, Asked} =
                compare(cambrian_common_archive:new(A), cambrian_common_archive:new(Union)),
            ?assertEqual(length(New), length(Entries)),
            ?assert(Asked =< 1 + 2 * length(New))
    end.

other_cells_are_another_subject_test() ->
    Subject =
        fun(Archive) -> cambrian_common_archive:subject(cambrian_common_archive:new(Archive)) end,
    ?assertEqual(Subject(archive(1)), Subject(archive(2))),
    ?assertNotEqual(Subject(archive(1)), Subject(archive(1, #{cells => 100}))).

a_behaviour_has_its_cell_test() ->
    Archive = archive(1),
    Replica = cambrian_common_archive:new(Archive),
    _ = [?assertEqual(Cell, cambrian_common_archive:cell(Behaviour, Replica))
         || #{cell := Cell, behaviour := Behaviour} <- cambrian_archive:elites(Archive)],
    ?assertEqual(none, cambrian_common_archive:cell([1.0], Replica)).

%% Of archives of every size there is a tree with one top.
any_number_of_cells_test_() ->
    [?_test(begin
                Replica =
                    cambrian_common_archive:new(archive(1, #{cells => Cells, population => 20})),
                ?assert(byte_size(cambrian_common_archive:root(Replica)) =< 512),
                Top = cambrian_common_archive:top(Replica),
                ?assert(cambrian_common_archive:is_node(Top, Replica)),
                {Level, _} = Top,
                ?assertNot(cambrian_common_archive:is_node({Level, 1}, Replica)),
                ?assertNot(cambrian_common_archive:is_node({Level + 1, 0}, Replica)),
                ?assertNot(cambrian_common_archive:is_node({0, 0}, Replica)),
                ?assertEqual({[], 1}, compare(Replica, Replica))
            end) || Cells <- [4, 25, 36, 1024, 1089, 40_000]].

%% A node that has another number of digests there has another tree.
digests_of_another_length_do_not_compare_test() ->
    Replica = replica(1),
    ?assertEqual(error,
                 cambrian_common_archive:differing(cambrian_common_archive:top(Replica), <<>>,
                                                   Replica)).

%%% ---- messages ---------------------------------------------------------------------------

question() ->
    #{subject => <<1:128>>, nonce => <<2:128>>, node => {2, 7}, digests => <<3:128, 4:128>>}.

a_question_is_read_as_it_was_written_test() ->
    ?assertEqual({ok, {compare, question()}},
                 cambrian_message:read_request(cambrian_message:compare(question()))),
    Read = fun(Question) -> cambrian_message:read_request(cambrian_message:compare(Question)) end,
    _ = [?assertEqual({error, malformed}, Read(maps:merge(question(), Wrong)))
         || Wrong <- [#{subject => <<>>}, #{nonce => <<1:64>>}, #{node => {0, 0}},
                      #{node => {1, -1}}, #{digests => <<1:8>>},
                      #{digests => <<0:(33 * 128)>>}]].

elites_are_signed_for_one_question_test() ->
    Identity = #{key := Key} = cambrian_identity:from_secret(<<1:256>>),
    Entries = [{3, 1.5, <<7:256>>}, {4, -0.5, <<8:256>>}],
    {ok, {elites, Key, _, _} = Answer} =
        cambrian_message:read_compared(cambrian_message:elites(?REALM, question(),
                                                               {claims(), Entries}, Identity)),
    Read = fun(Realm, Question) ->
               {ok, Claims, Entries, Verify} =
                   cambrian_message:read_elites(Realm, Question, Answer),
               ?assertEqual((claims())#{realm => Realm, origin => Key}, Claims),
               Verify()
           end,
    ?assert(Read(?REALM, question())),
    ?assertNot(Read(<<"elsewhere">>, question())),
    ?assertNot(Read(?REALM, (question())#{nonce := <<9:128>>})),
    ?assertNot(Read(?REALM, (question())#{subject := <<9:128>>})).

claims() -> #{sequence => 7, time => 1_800_000_000_000, grant => <<0:4096>>}.

the_longest_answer_is_within_its_bound_test() ->
    Identity = cambrian_identity:from_secret(<<1:256>>),
    Entries = [{Cell, 1.0, <<Cell:256>>} || Cell <- lists:seq(49_968, 49_999)],
    Full =
        cambrian_message:elites(?REALM, question(), {(claims())#{grant := <<0:8192>>}, Entries},
                                Identity),
    ?assertMatch({ok, {elites, _, _, _}}, cambrian_message:read_compared(Full)),
    ?assert(byte_size(Full) < 3072),
    Many =
        cambrian_message:elites(?REALM, question(),
                                {claims(), [{Cell, 1.0, <<Cell:256>>} || Cell <- lists:seq(1, 33)]},
                                Identity),
    {ok, TooMany} = cambrian_message:read_compared(Many),
    ?assertEqual({error, malformed}, cambrian_message:read_elites(?REALM, question(), TooMany)),
    ?assertEqual({error, malformed}, cambrian_message:read_compared(binary:copy(<<0>>, 5000))).

an_answer_with_more_bits_than_digests_is_malformed_test() ->
    ?assertEqual({ok, {differ, 5}},
                 cambrian_message:read_compared(cambrian_message:compared({differ, 5}))),
    ?assertEqual({error, malformed},
                 cambrian_message:read_compared(cambrian_message:compared({differ, 1 bsl 32}))).

%% Another node may use another projection, by which an honest claim would look false.
a_projected_archive_is_no_replica_test() ->
    {ok, _} = application:ensure_all_started(cambrian),
    Start = fun(Params) ->
                {ok, P} = cambrian_population:start(#{task => maze_medium, seed => 1,
                                                      search => map_elites, target => 1000,
                                                      params => Params#{population => 20}}),
                {ok, _} = cambrian_population:step(P, 2),
                P
            end,
    [Projected, Plain] = Populations = [Start(#{projection => principal}), Start(#{})],
    ?assertEqual(none, cambrian_bridge_populations:replica([Projected])),
    {ok, Archive} = cambrian_population:archive(Plain),
    ?assertEqual(cambrian_common_archive:root(cambrian_common_archive:new(Archive)),
                 cambrian_common_archive:root(cambrian_bridge_populations:replica(Populations))),
    [ok = cambrian_population:stop(P) || P <- Populations].

a_bridge_warns_of_populations_without_an_archive_to_share_test() ->
    {ok, _} = application:ensure_all_started(cambrian),
    Said = fun(Options, Common) ->
               {ok, P} = cambrian_population:start(Options#{task => 'xor', seed => 1}),
               ok = cambrian_logged:start(),
               {joined, _, _, _} =
                   cambrian_bridge_populations:join(
                       P, fun(_) -> ok end, cambrian_bridge_populations:new(<<"lab">>, Common)),
               Messages = [Text || {warning, Text} <- cambrian_logged:said()],
               ok = cambrian_logged:stop(),
               ok = cambrian_population:stop(P),
               Messages
           end,
    Projected = #{search => map_elites, params => #{projection => principal}},
    ?assertEqual([], Said(#{}, false)),
    ?assertEqual([], Said(#{search => map_elites}, true)),
    [?assertMatch({[_], {match, _}}, {Said(Options, true), re:run(Said(Options, true), Text)})
     || {Options, Text} <- [{#{}, "in realm lab: its search is neat, expected map_elites"},
                            {Projected, "its projection is principal, expected none"}]].
