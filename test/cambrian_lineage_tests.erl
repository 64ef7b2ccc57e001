-module(cambrian_lineage_tests).
-include_lib("eunit/include/eunit.hrl").
-include_lib("kernel/include/file.hrl").

-define(REALM, <<"org.example.lab">>).

%% The lineage of a run's champion: each entry is a parent of the one before.
the_lineage_of_a_champion_goes_back_to_the_first_generation_test() ->
    {ok, #{champion := Champion}} = cambrian:evolve('xor', #{seed => 7}),
    {ok, [#{id := Id} | _] = Line} = cambrian:lineage(Champion),
    ?assertEqual(cambrian_genotype:id(Champion), Id),
    ?assert(lists:all(fun({#{parents := [Fitter | _]}, #{id := Next}}) -> Fitter =:= Next end,
                      lists:zip(lists:droplast(Line), tl(Line)))),
    ?assertMatch(#{generation := 0, parents := [], operators := []}, lists:last(Line)),
    ?assertEqual({ok, Line}, cambrian:lineage(Id)).

%% Three generations of genotypes, signed by two other keys.
records_of_other_keys_are_followed_and_their_signatures_checked_test() ->
    {ok, _} = application:ensure_all_started(cambrian),
    [Grandparent, Parent, Child] = family(3, 100),
    signed(Grandparent, [], <<1:256>>),
    signed(Parent, [Grandparent], <<2:256>>),
    signed(Child, [Parent], <<1:256>>),
    {ok, Entries} = cambrian:lineage(Child),
    ?assertEqual(lists:map(fun cambrian_genotype:id/1, [Child, Parent, Grandparent]),
                 [Id || #{id := Id} <- Entries]),
    ?assertEqual([cambrian_identity:public_key(Secret)
                  || Secret <- [<<1:256>>, <<2:256>>, <<1:256>>]],
                 [Origin || #{origin := Origin} <- Entries]),
    ?assertEqual({error, unknown}, cambrian:lineage(<<5:256>>)).

a_forged_record_is_an_error_that_names_its_genotype_test() ->
    {ok, _} = application:ensure_all_started(cambrian),
    [Parent, Child] = family(2, 200),
    Record = record(Parent, [], <<1:256>>),
    Id = cambrian_genotype:id(Parent),
    Size = byte_size(Record) - 1,
    <<Head:Size/binary, Last>> = Record,
    ok = cambrian_lineage:received(Id, <<Head/binary, (Last bxor 1)>>),
    signed(Child, [Parent], <<2:256>>),
    ?assertEqual({error, {bad_signature, Id}}, cambrian:lineage(Child)).

%% An id is a hash of its genotype's bytes, so no genotype is its own ancestor. The record that
%% closes a circle is left out.
a_record_that_closes_a_circle_is_left_out_test() ->
    {ok, _} = application:ensure_all_started(cambrian),
    [A, B, C] = family(3, 300),
    [IdA, IdB, IdC] = lists:map(fun cambrian_genotype:id/1, [A, B, C]),
    signed(A, [C], <<1:256>>),
    signed(B, [A], <<1:256>>),
    signed(C, [B], <<1:256>>),
    ?assertMatch({ok,
                  [#{id := IdC, parents := [IdB]}, #{id := IdB, parents := [IdA]},
                   #{id := IdA, parents := [], circular := [IdC]}]},
                 cambrian:lineage(C)),
    ?assertEqual({error, {bad_claim, parents}}, cambrian_envelope:seal(claims([A]), A, <<1:256>>)).

%% The attacker signs one record that names a genotype as a parent of its own parent.
a_circle_that_an_attacker_signs_does_not_break_an_honest_lineage_test() ->
    {ok, _} = application:ensure_all_started(cambrian),
    [Parent, Child] = family(2, 700),
    [Mother, Id] = lists:map(fun cambrian_genotype:id/1, [Parent, Child]),
    signed(Child, [Parent], <<1:256>>),
    signed(Parent, [Child], <<2:256>>),
    Thief = cambrian_identity:public_key(<<2:256>>),
    ?assertMatch({ok,
                  [#{id := Id, parents := [Mother]},
                   #{id := Mother, parents := [], circular := [Id], origin := Thief}]},
                 cambrian:lineage(Child)).

%% The lineage of genotypes that were bred here does not change, whatever records other keys sign
%% for ancestors that came from elsewhere. Some of these records name descendants as parents.
records_of_other_keys_never_change_an_own_lineage_test_() ->
    {timeout, 120, fun() ->
        {ok, _} = application:ensure_all_started(cambrian),
        lists:foreach(fun(Seed) ->
                          _ = rand:seed(exsss, Seed),
                          All = family(24, 10_000 * Seed),
                          Numbered = lists:zip(lists:seq(1, 24), All),
                          {Foreign, Own} =
                              lists:partition(fun({N, _}) -> N rem 4 =:= 0 end, Numbered),
                          %% each descends from two genotypes before it
                          Line =
                              [{cambrian_genotype:id(G),
                                [cambrian_genotype:id(lists:nth(rand:uniform(N - 1), All))
                                || N > 1, _ <- [1, 2]], [add_node], N} || {N, G} <- Own],
                          ok = cambrian_lineage:bred('xor', lists:reverse(Line)),
                          Youngest = element(1, lists:last(Line)),
                          {ok, Before} = cambrian:lineage(Youngest),
                          _ = [signed(G, lists:usort(some(2, All)) -- [G],
                                      <<(rand:uniform(3)):256>>)
                               || _ <- [1, 2, 3], {_, G} <- Foreign],
                          _ = [signed(G, lists:usort(some(2, All)) -- [G], <<9:256>>)
                               || {_, G} <- some(3, Own)],
                          {ok, After} = cambrian:lineage(Youngest),
                          Ours = [Entry || #{origin := own} = Entry <- After],
                          ?assertEqual([], Before -- Ours),
                          ?assertEqual([],
                                       [Id
                                        || #{id := Id, parents := Parents} <- Ours,
                                        {Of, Bred, _, _} <- Line, Of =:= Id,
                                              Parents =/= Bred]),
                          ?assert(is_acyclic(After)),
                          _ = [?assertMatch({ok, [_ | _]}, cambrian:lineage(G))
                               || G <- All, is_known(G)],
                          _ = [begin {ok, Walked} = cambrian:lineage(G), ?assert(is_acyclic(Walked))
                          end || G <- All, is_known(G)]
                      end, lists:seq(1, 40))
    end}.

some(Count, From) -> [lists:nth(rand:uniform(length(From)), From) || _ <- lists:seq(1, Count)].

is_known(Genotype) -> cambrian:lineage(Genotype) =/= {error, unknown}.

is_acyclic(Entries) ->
    Graph = digraph:new([acyclic]),
    _ = [digraph:add_vertex(Graph, Vertex)
         || #{id := Id, parents := Parents} <- Entries, Vertex <- [Id | Parents]],
    Added =
        [digraph:add_edge(Graph, Id, Parent)
         || #{id := Id, parents := Parents} <- Entries, Parent <- Parents],
    true = digraph:delete(Graph),
    not lists:any(fun(Edge) -> is_tuple(Edge) end, Added).

%% The first signer is not always the breeder.
several_keys_that_claim_to_have_bred_a_genotype_are_all_shown_test() ->
    {ok, _} = application:ensure_all_started(cambrian),
    [Own, Mother, Stolen] = family(3, 900),
    [Thief, Breeder] = lists:map(fun cambrian_identity:public_key/1, [<<2:256>>, <<1:256>>]),
    Id = cambrian_genotype:id(Stolen),
    ok = cambrian_lineage:received(Id, record(Stolen, [], 200, <<2:256>>)),
    {ok, _} = cambrian_lineage:signed(Id),
    ok = cambrian_lineage:received(Id, record(Stolen, [Mother], 100, <<1:256>>)),
    ?assertEqual(none, cambrian_lineage:signed(Id)),
    {ok, [#{origin := conflicting, breeders := Breeders, parents := Parents} = Entry]} =
        cambrian:lineage(Stolen),
    ?assertMatch([#{origin := Breeder, time := 100},
                  #{origin := Thief, time := 200, parents := []}],
                 Breeders),
    ?assertEqual([cambrian_genotype:id(Mother)], Parents),
    ?assertNot(is_map_key(measured, Entry)),
    %% this node got the genotype from one of them before it heard of the other
    ok = cambrian_lineage:measured(Id, Breeder),
    ok = cambrian_lineage:measured(Id, Thief),
    ?assertMatch({ok, [#{origin := conflicting, measured := Breeder}]}, cambrian:lineage(Stolen)),
    {ok, Record} = cambrian_lineage:signed(Id),
    ?assertMatch({ok, #{origin := Breeder}}, cambrian_envelope:read_record(Record)),
    %% a key that only took the genotype in and sends it on does not claim to have bred it
    {ok, Bytes} =
        cambrian_envelope:seal((claims([]))#{operators => [injection]}, Mother, <<3:256>>),
    {ok, Envelope, _} = cambrian_envelope:read(Bytes),
    ok = cambrian_lineage:received(cambrian_genotype:id(Mother),
                                   cambrian_envelope:record(Envelope)),
    ok = cambrian_lineage:received(cambrian_genotype:id(Mother), record(Mother, [], <<1:256>>)),
    ?assertMatch({ok, [#{origin := Breeder}]}, cambrian:lineage(Mother)),
    %% a second record of the same key is no conflict
    ok = cambrian_lineage:received(cambrian_genotype:id(Own), record(Own, [], 1, <<1:256>>)),
    ok = cambrian_lineage:received(cambrian_genotype:id(Own), record(Own, [Mother], 2, <<1:256>>)),
    ?assertMatch({ok, [#{origin := Breeder, parents := [], time := 1}]}, cambrian:lineage(Own)).

%% Two genotypes with the same parents make no circle.
relatives_may_have_common_descendants_test() ->
    {ok, _} = application:ensure_all_started(cambrian),
    [Eve, Left, Right, Child] = family(4, 400),
    signed(Eve, [], <<1:256>>),
    signed(Left, [Eve], <<1:256>>),
    signed(Right, [Eve, Left], <<1:256>>),
    signed(Child, [Left, Right], <<1:256>>),
    {ok, Entries} = cambrian:lineage(Child),
    ?assertEqual(4, length(Entries)).

a_record_of_another_key_does_not_replace_an_own_birth_test() ->
    {ok, #{champion := Champion}} = cambrian:evolve('xor', #{seed => 8}),
    signed(Champion, [], <<1:256>>),
    ?assertMatch({ok, [#{origin := own} | _]}, cambrian:lineage(Champion)).

%% A newcomer that has offspring: its lineage goes from births on this node to records of another
%% key.
a_newcomer_keeps_its_own_origin_test() ->
    {ok, #{champion := Newcomer}} = cambrian:evolve('xor', #{seed => 10, target => 3.5}),
    [Father] = family(1, 600),
    {ok, P} =
        cambrian_population:start(#{task => double_xor(), inputs => 2, outputs => 1, seed => 11,
                                    population => 20}),
    Foreign = alien(Newcomer),
    signed(Foreign, [Father], <<3:256>>),
    ok = cambrian_population:inject(P, Foreign),
    {ok, _} = cambrian_population:step(P, 12),
    {ok, #{champion := Champion}} = cambrian_population:best(P),
    {ok, Line} = cambrian:lineage(Champion),
    ok = cambrian_population:stop(P),
    Key = cambrian_identity:public_key(<<3:256>>),
    Id = cambrian_genotype:id(Foreign),
    ?assertMatch([#{origin := Key, id := Id}],
                 [Entry || #{origin := Origin} = Entry <- Line, Origin =/= own]),
    ?assertNotEqual(Id, cambrian_genotype:id(Champion)).

%% A genotype that this node did not breed: it has a node more.
alien(Genotype) ->
    {ok, Grown} = cambrian_genotype:mutate(Genotype, add_node, 5),
    Grown.

%% No network is perfect at this task, so every champion can be beaten.
double_xor() ->
    fun(Network) ->
        -lists:sum([abs(hd(cambrian_network:activate(Network, [A, B])) - float(A bxor B))
                    || A <- [0, 1], B <- [0, 1]])
    end.

%% The records of each key are bounded, and take no room of own births or of other keys.
a_flood_of_records_removes_no_other_entries_test_() ->
    {timeout, 120, fun() ->
        {ok, #{champion := Champion}} = cambrian:evolve('xor', #{seed => 12}),
        {ok, Before} = cambrian:lineage(Champion),
        [Friend | Flood] = family(1_101, 50_000_000),
        signed(Friend, [], <<1:256>>),
        Size = ets:info(cambrian_lineage, size),
        lists:foreach(fun(G) -> signed(G, [], <<66:256>>) end, Flood),
        ?assertEqual({ok, Before}, cambrian:lineage(Champion)),
        ?assertMatch({ok, [#{}]}, cambrian:lineage(Friend)),
        ?assertEqual({error, unknown}, cambrian:lineage(hd(Flood))),
        ?assertMatch({ok, [#{}]}, cambrian:lineage(lists:last(Flood))),
        ?assertEqual(Size + 1_000, ets:info(cambrian_lineage, size)),
        ok = cambrian_lineage:received(<<5:256>>, <<"no record">>),
        ?assertEqual({error, unknown}, cambrian:lineage(<<5:256>>))
    end}.

a_lineage_is_known_after_a_restart_test() ->
    Dir =
        filename:join(["_build", "test",
                       "lineage-" ++ integer_to_list(erlang:unique_integer([positive]))]),
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

%% While the lineage process restarts, its callers do not crash, and the births of that time are
%% recorded afterwards.
a_restart_of_the_lineage_process_crashes_no_caller_test() ->
    {ok, _} = application:ensure_all_started(cambrian),
    [Mother, Child] = [<<N:256>> || N <- [4001, 4002]],
    First = {Mother, [], [add_node], 0},
    Second = {Child, [Mother], [add_node], 1},
    ok = sys:suspend(cambrian_sup),
    try
        Lineage = whereis(cambrian_lineage),
        Monitor = monitor(process, Lineage),
        exit(Lineage, kill),
        receive {'DOWN', Monitor, process, Lineage, _} -> ok end,
        cambrian_wait:until(fun() -> ets:whereis(cambrian_lineage) =:= undefined end),
        ?assertEqual(ok, cambrian_births:notify('xor', [First])),
        ?assertEqual(ok, cambrian_lineage:bred('xor', [{<<4003:256>>, [], [injection], 0}])),
        ?assertEqual({error, unknown}, cambrian_lineage:walk(Mother))
    after ok = sys:resume(cambrian_sup)
    end,
    cambrian_wait:until(fun() -> ets:whereis(cambrian_lineage) =/= undefined end),
    ok = cambrian_births:notify('xor', [Second, First]),
    ?assertMatch({ok, [#{id := Child}, #{id := Mother}]}, cambrian_lineage:walk(Child)).

%% Terms that are no entry are left out, with a line in the log. Logs of earlier releases, which
%% have no hashes, are read too.
other_terms_in_the_log_of_births_are_left_out_test() ->
    cambrian_temporary:with_data_dir(fun(Dir) ->
        {ok, #{champion := Champion}} = cambrian:evolve('xor', #{seed => 9}),
        {ok, Before} = cambrian:lineage(Champion),
        ok = application:stop(cambrian),
        Id = <<1:256>>,
        Entry = {Id, {own, <<"xor">>, {Id, [], [], 0}}},
        Old = {<<3:256>>, {own, <<"xor">>, {<<3:256>>, [], [], 0}}},
        Term = term_to_binary(Entry),
        in_log(Dir, "bred",
               [rubbish, {1, 2}, {Id, {own, 1}}, setelement(1, Entry, <<2:256>>),
                {Id, {own, <<"xor">>, {Id, [a | b], [], 0}}},
                {Id, {own, <<"xor">>, {Id, [], [], none}}}, <<0:256, Term/binary>>, <<"short">>,
                Old]),
        in_log(Dir, "signed", [{<<1>>, {signed, <<>>}}, {Id, {signed, none}}, Entry]),
        Said = said_while(fun() -> {ok, _} = application:ensure_all_started(cambrian) end),
        ?assertEqual({ok, Before}, cambrian:lineage(Champion)),
        ?assertEqual({error, unknown}, cambrian:lineage(Id)),
        ?assertMatch({ok, [#{origin := own}]}, cambrian:lineage(<<3:256>>)),
        ?assertMatch({match, _}, re:run(Said, "8 entries of the log .bred. are damaged")),
        ?assertMatch({match, _}, re:run(Said, "3 entries of the log .signed. are damaged")),
        {ok, #file_info{mode = Mode}} = file:read_file_info(filename:join(Dir, "lineage")),
        ?assertEqual(8#700, Mode band 8#777)
    end).

%% Also the later files of a disk_log: the first has 4 MiB.
the_files_of_the_lineage_are_private_test_() ->
    {timeout, 600, fun() ->
        cambrian_temporary:with_data_dir(fun(Dir) ->
            Lineage = filename:join(Dir, "lineage"),
            ?assertEqual([], loose(Lineage)),
            Second = filename:join(Lineage, "bred.2"),
            Parents = [<<N:256>> || N <- lists:seq(1, 32)],
            lists:foreach(fun(N) ->
                              Id = <<1:1, N:255>>,
                              filelib:is_file(Second) orelse
                                  cambrian_lineage:bred('xor', [{Id, Parents, [add_node], N}])
                          end, lists:seq(1, 20_000)),
            ?assert(filelib:is_file(Second)),
            cambrian_wait:until(fun() -> loose(Lineage) =:= [] end)
        end)
    end}.

loose(Dir) ->
    {ok, Names} = file:list_dir(Dir),
    [{Name, Mode} || Name <- [Dir | [filename:join(Dir, Name) || Name <- Names]],
                     Mode <- [cambrian_temporary:mode(Name)], Mode band 8#077 =/= 0].

said_while(Fun) ->
    ok = cambrian_logged:start(),
    try
        Fun(),
        [[Text, $\n] || {warning, Text} <- cambrian_logged:said()]
    after cambrian_logged:stop()
    end.

in_log(Dir, Kind, Terms) ->
    {ok, Log} =
        disk_log:open([{name, here}, {file, filename:join([Dir, "lineage", Kind])}, {type, wrap},
                       {size, {4_194_304, 8}}, {quiet, true}]),
    ok = disk_log:log_terms(Log, Terms),
    ok = disk_log:close(Log).

a_flipped_bit_in_the_log_costs_one_entry_test() ->
    cambrian_temporary:with_data_dir(fun(Dir) ->
        {ok, #{champion := Champion}} = cambrian:evolve('xor', #{seed => 9}),
        {ok, Before} = cambrian:lineage(Champion),
        #{id := Eldest} = lists:last(Before),
        ok = application:stop(cambrian),
        File = filename:join([Dir, "lineage", "bred.1"]),
        {ok, Bytes} = file:read_file(File),
        [{At, _} | _] = binary:matches(Bytes, Eldest),
        <<Head:At/binary, Byte, Tail/binary>> = Bytes,
        ok = file:write_file(File, <<Head/binary, (Byte bxor 1), Tail/binary>>),
        Said = said_while(fun() -> {ok, _} = application:ensure_all_started(cambrian) end),
        ?assertMatch({match, _}, re:run(Said, "entries of the log .bred. are damaged")),
        {ok, After} = cambrian:lineage(Champion),
        ?assertEqual([], After -- Before),
        ?assert(length(After) < length(Before))
    end).

%% After each truncation of a small log, and each changed byte of the log and of its index, the
%% lineage starts with some of its entries, and a new birth is there after the next start.
a_damaged_log_does_not_prevent_the_start_test_() ->
    {timeout, 600, fun() ->
        with_small_log(fun(Dir, Small) ->
            Names = [Name || Name <- lists:sort(maps:keys(Small)), lists:prefix("bred", Name)],
            ?assertEqual(["bred.1", "bred.idx", "bred.siz"], Names),
            Whole = started(Dir, Small),
            ?assertEqual(2, length(Whole)),
            Some = [begin
                        After = started(Dir, Small#{Name := Damaged}),
                        ?assertEqual({Name, Damaged, []}, {Name, Damaged, After -- Whole}),
                        length(After)
                    end || Name <- Names, Damaged <- damaged(maps:get(Name, Small))],
            %% a changed byte costs one of the two entries, and a cut costs what follows it
            ?assertEqual([0, 1, 2], lists:usort(Some))
        end)
    end}.

%% Entries before and after a damaged one are read.
whole_entries_of_a_damaged_log_are_kept_test() ->
    with_small_log(fun(Dir, #{"bred.1" := Bytes} = Small) ->
        [{First, _}, {Second, _} | _] = binary:matches(Bytes, <<"bWLA">>),
        ?assert(Second > First),
        <<Head:Second/binary, _, Tail/binary>> = Bytes,
        Damaged = Small#{"bred.1" := <<Head/binary, 0, Tail/binary>>},
        ?assertEqual(1, length(started(Dir, Damaged))),
        ?assertEqual(["bred.1.torn", "bred.idx.torn", "bred.siz.torn"], torn(Dir))
    end).

torn(Dir) -> lists:sort(filelib:wildcard("*.torn", filename:join(Dir, "lineage"))).

%% Opening a pipe would block for ever.
a_pipe_in_place_of_a_log_file_is_set_aside_test_() ->
    {timeout, 60, fun() ->
        with_small_log(fun(Dir, Small) ->
            [begin
                 files(Dir, maps:remove(Name, Small)),
                 ok = Make(filename:join([Dir, "lineage", Name])),
                 ?assertEqual({Name, Left}, {Name, length(try_start())}),
                 ?assertEqual([Name ++ ".torn"],
                              [Torn || Torn <- torn(Dir), Torn =:= Name ++ ".torn"])
             end
             || {Name, Left} <- [{"bred.1", 0}, {"bred.idx", 2}, {"bred.siz", 2}, {"signed.1", 2}],
                    Make <- [fun(File) -> "" = os:cmd("mkfifo " ++ File), ok end,
                             fun file:make_dir/1]]
        end)
    end}.

%% Starts with damaged files, adds a birth, and starts again. Returns the entries of the first
%% start.
started(Dir, Files) ->
    files(Dir, Files),
    After = try_start(),
    Again = try_start(),
    ?assertEqual({lists:sort(After), true},
                 {lists:sort(Again -- [new()]), lists:member(new(), Again)}),
    After.

new() -> {<<99:256>>, {own, <<"xor">>, {<<99:256>>, [], [add_node], 9}}}.

%% The entries after a start. At the end it adds a birth.
try_start() ->
    {ok, Pid} = cambrian_lineage:start_link(),
    All = ets:tab2list(cambrian_lineage),
    {_, {_, Task, Birth}} = new(),
    ok = cambrian_lineage:bred(Task, [Birth]),
    ok = gen_server:stop(Pid),
    All.

files(Dir, Files) ->
    Lineage = filename:join(Dir, "lineage"),
    _ = file:del_dir_r(Lineage),
    ok = file:make_dir(Lineage),
    maps:foreach(fun(Name, Bytes) -> ok = file:write_file(filename:join(Lineage, Name), Bytes) end,
                 Files).

damaged(Bytes) ->
    Size = byte_size(Bytes),
    Changed = [begin
                   <<Head:At/binary, Byte, Tail/binary>> = Bytes,
                   <<Head/binary, (Byte bxor 16), Tail/binary>>
               end || At <- lists:seq(0, Size - 1)],
    [binary:part(Bytes, 0, At) || At <- lists:seq(0, Size - 1)] ++ Changed.

%% The files of a log with two entries.
with_small_log(Test) ->
    _ = application:stop(cambrian),
    _ = application:load(cambrian),
    cambrian_temporary:with_dir(fun(Dir) ->
        ok = application:set_env(cambrian, data_dir, Dir),
        ok = logger:add_primary_filter(expected, {fun(_, _) -> stop end, []}),
        try
            {ok, Pid} = cambrian_lineage:start_link(),
            lists:foreach(fun(N) ->
                ok = cambrian_lineage:bred('xor', [{<<N:256>>, [], [add_node], N}]) end,
                          [1, 2]),
            ok = gen_server:stop(Pid),
            {ok, Names} = file:list_dir(filename:join(Dir, "lineage")),
            Small = maps:from_list([begin
                                        {ok, Bytes} =
                                            file:read_file(filename:join([Dir, "lineage", Name])),
                                        {Name, Bytes}
                                    end || Name <- Names]),
            Test(Dir, Small)
        after
            ok = logger:remove_primary_filter(expected),
            ok = cambrian_data_dir:release(Dir),
            ok = application:unset_env(cambrian, data_dir)
        end
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
    ok = cambrian_lineage:received(cambrian_genotype:id(Genotype),
                                   record(Genotype, Parents, Secret)).

record(Genotype, Parents, Secret) -> record(Genotype, Parents, 0, Secret).

record(Genotype, Parents, Time, Secret) ->
    {ok, Bytes} =
        cambrian_envelope:seal((claims(lists:usort(Parents)))#{time := Time}, Genotype, Secret),
    {ok, Envelope, _} = cambrian_envelope:read(Bytes),
    cambrian_envelope:record(Envelope).

claims(Parents) ->
    #{realm => ?REALM, task => <<"xor">>, fitness => 1.0, generation => 1, sequence => 1, time => 0,
      parents => lists:map(fun cambrian_genotype:id/1, Parents), operators => [add_node]}.
