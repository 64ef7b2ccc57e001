-module(cambrian_lineage_tests).
-include_lib("eunit/include/eunit.hrl").

-define(REALM, <<"org.example.lab">>).

%% A run leaves the line of its champion, in which each is a parent of the one before.
a_champion_has_a_line_back_to_the_first_generation_test() ->
    {ok, #{champion := Champion}} = cambrian:evolve('xor', #{seed => 7}),
    {ok, [#{id := Id} | _] = Line} = cambrian:lineage(Champion),
    ?assertEqual(cambrian_genotype:id(Champion), Id),
    ?assert(lists:all(fun({#{parents := [Fitter | _]}, #{id := Next}}) -> Fitter =:= Next end,
                      lists:zip(lists:droplast(Line), tl(Line)))),
    ?assertMatch(#{generation := 0, parents := [], operators := []}, lists:last(Line)),
    ?assertEqual({ok, Line}, cambrian:lineage(Id)).

%% Two networks that others signed, and one that they were made of.
what_others_signed_is_walked_and_its_signatures_are_checked_test() ->
    {ok, _} = application:ensure_all_started(cambrian),
    [Grandparent, Parent, Child] = family(3, 100),
    signed(Grandparent, [], <<1:256>>),
    signed(Parent, [Grandparent], <<2:256>>),
    signed(Child, [Parent], <<1:256>>),
    {ok, Entries} = cambrian:lineage(Child),
    ?assertEqual(lists:map(fun cambrian_genotype:id/1, [Child, Parent, Grandparent]), [Id || #{id := Id} <- Entries]),
    ?assertEqual([cambrian_identity:public_key(Secret) || Secret <- [<<1:256>>, <<2:256>>, <<1:256>>]],
                 [Origin || #{origin := Origin} <- Entries]),
    ?assertEqual({error, unknown}, cambrian:lineage(<<5:256>>)).

a_forged_link_is_an_error_that_names_it_test() ->
    {ok, _} = application:ensure_all_started(cambrian),
    [Parent, Child] = family(2, 200),
    Record = record(Parent, [], <<1:256>>),
    Id = cambrian_genotype:id(Parent),
    Size = byte_size(Record) - 1,
    <<Head:Size/binary, Last>> = Record,
    ok = cambrian_lineage:received(Id, <<Head/binary, (Last bxor 1)>>),
    signed(Child, [Parent], <<2:256>>),
    ?assertEqual({error, {bad_signature, Id}}, cambrian:lineage(Child)).

%% Nobody can be their own ancestor: an id is a hash of what it names.
a_circle_of_parents_is_an_error_test() ->
    {ok, _} = application:ensure_all_started(cambrian),
    [A, B, C] = family(3, 300),
    signed(A, [C], <<1:256>>),
    signed(B, [A], <<1:256>>),
    signed(C, [B], <<1:256>>),
    ?assertMatch({error, {cycle, _}}, cambrian:lineage(C)),
    ?assertEqual({error, {bad_claim, parents}}, cambrian_envelope:seal(claims([A]), A, <<1:256>>)).

%% Two that share all their parents are no circle.
relatives_may_meet_again_test() ->
    {ok, _} = application:ensure_all_started(cambrian),
    [Eve, Left, Right, Child] = family(4, 400),
    signed(Eve, [], <<1:256>>),
    signed(Left, [Eve], <<1:256>>),
    signed(Right, [Eve, Left], <<1:256>>),
    signed(Child, [Left, Right], <<1:256>>),
    {ok, Entries} = cambrian:lineage(Child),
    ?assertEqual(4, length(Entries)).

what_was_bred_here_is_not_overwritten_by_strangers_test() ->
    {ok, #{champion := Champion}} = cambrian:evolve('xor', #{seed => 8}),
    signed(Champion, [], <<1:256>>),
    ?assertMatch({ok, [#{origin := own} | _]}, cambrian:lineage(Champion)).

%% A newcomer that breeds: the line goes from what was bred here over to what was signed elsewhere.
a_newcomer_keeps_its_own_origin_test() ->
    {ok, #{champion := Newcomer}} = cambrian:evolve('xor', #{seed => 10, target => 3.5}),
    [Father] = family(1, 600),
    {ok, P} = cambrian_population:start(#{task => double_xor(), inputs => 2, outputs => 1, seed => 11, population => 20}),
    Foreign = alien(Newcomer),
    signed(Foreign, [Father], <<3:256>>),
    ok = cambrian_population:inject(P, Foreign),
    {ok, _} = cambrian_population:step(P, 12),
    {ok, #{champion := Champion}} = cambrian_population:best(P),
    {ok, Line} = cambrian:lineage(Champion),
    ok = cambrian_population:stop(P),
    Key = cambrian_identity:public_key(<<3:256>>),
    Id = cambrian_genotype:id(Foreign),
    ?assertMatch([#{origin := Key, id := Id}], [Entry || #{origin := Origin} = Entry <- Line, Origin =/= own]),
    ?assertNotEqual(Id, cambrian_genotype:id(Champion)).

%% One that this node has not bred: another node's, with a node more than the one that is known here.
alien(Genotype) ->
    {ok, Grown} = cambrian_genotype:mutate(Genotype, add_node, 5),
    Grown.

%% No network is perfect, so that every champion can be beaten.
double_xor() ->
    fun(Network) ->
        -lists:sum([abs(hd(cambrian_network:activate(Network, [A, B])) - float(A bxor B)) || A <- [0, 1], B <- [0, 1]])
    end.

%% What others sign is bounded, and takes no room of ours.
a_flood_from_elsewhere_washes_nothing_of_ours_away_test_() ->
    {timeout, 60, fun() ->
        {ok, #{champion := Champion}} = cambrian:evolve('xor', #{seed => 12}),
        {ok, Before} = cambrian:lineage(Champion),
        Size = ets:info(cambrian_lineage, size),
        _ = [ok = cambrian_lineage:received(<<1, N:248>>, <<"no record">>) || N <- lists:seq(1, 50_100)],
        ?assertEqual({ok, Before}, cambrian:lineage(Champion)),
        ?assertEqual({error, unknown}, cambrian:lineage(<<1, 1:248>>)),
        ?assertEqual({error, {bad_signature, <<1, 50_100:248>>}}, cambrian:lineage(<<1, 50_100:248>>)),
        ?assert(ets:info(cambrian_lineage, size) =< Size + 50_000)
    end}.

it_is_known_after_a_restart_test() ->
    Dir = filename:join(["_build", "test", "lineage-" ++ integer_to_list(erlang:unique_integer([positive]))]),
    restarted(Dir),
    try
        {ok, #{champion := Champion}} = cambrian:evolve('xor', #{seed => 9}),
        [Stranger] = family(1, 500),
        signed(Stranger, [Champion], <<1:256>>),
        {ok, Before} = cambrian:lineage(Stranger),
        restarted(Dir),
        ?assertEqual({ok, Before}, cambrian:lineage(Stranger))
    after
        restarted(undefined),
        file:del_dir_r(Dir)
    end.

%% What is no entry is left out, and all else is there.
a_log_with_other_terms_in_it_is_read_test() ->
    cambrian_temporary:with_data_dir(fun(Dir) ->
        {ok, #{champion := Champion}} = cambrian:evolve('xor', #{seed => 9}),
        {ok, Before} = cambrian:lineage(Champion),
        ok = application:stop(cambrian),
        Id = <<1:256>>,
        Entry = {Id, {own, <<"xor">>, {Id, [], [], 0}}},
        [begin
             {ok, Log} = disk_log:open([{name, here}, {file, filename:join([Dir, "lineage", Kind])}, {type, wrap},
                                        {size, {4_194_304, 8}}, {quiet, true}]),
             ok = disk_log:log_terms(Log, [rubbish, {1, 2}, {Id, {own, 1}}, {<<1>>, {signed, <<>>}}, {Id, {signed, none}},
                                           setelement(1, Entry, <<2:256>>), {Id, {own, <<"xor">>, {Id, [a | b], [], 0}}},
                                           {Id, {own, <<"xor">>, {Id, [], [], none}}}]
                                          ++ [Entry || Kind =:= "signed"]),
             ok = disk_log:close(Log)
         end || Kind <- ["bred", "signed"]],
        {ok, _} = application:ensure_all_started(cambrian),
        ?assertEqual({ok, Before}, cambrian:lineage(Champion)),
        ?assertEqual({error, unknown}, cambrian:lineage(Id))
    end).

restarted(Dir) ->
    _ = application:stop(cambrian),
    case Dir of
        undefined -> application:unset_env(cambrian, data_dir);
        _ -> application:set_env(cambrian, data_dir, Dir)
    end,
    {ok, _} = application:ensure_all_started(cambrian).

family(Count, Seed) ->
    [begin
         {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, Seed + Nth),
         G
     end || Nth <- lists:seq(1, Count)].

signed(Genotype, Parents, Secret) ->
    ok = cambrian_lineage:received(cambrian_genotype:id(Genotype), record(Genotype, Parents, Secret)).

record(Genotype, Parents, Secret) ->
    {ok, Bytes} = cambrian_envelope:seal(claims(Parents), Genotype, Secret),
    {ok, Envelope, _} = cambrian_envelope:read(Bytes),
    cambrian_envelope:record(Envelope).

claims(Parents) ->
    #{realm => ?REALM, task => <<"xor">>, fitness => 1.0, generation => 1, sequence => 1, time => 0,
      parents => lists:map(fun cambrian_genotype:id/1, Parents), operators => [add_node]}.
