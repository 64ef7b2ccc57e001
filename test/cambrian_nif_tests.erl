-module(cambrian_nif_tests).
-include_lib("eunit/include/eunit.hrl").

%% Calls every function of the library with random terms: it returns or raises badarg, without a
%% panic, a crash or a new atom. The variable names of the stubs tell what an argument should be;
%% most arguments are right, so that the wrong ones are reached.
no_argument_harms_the_vm_test_() ->
    {timeout, 300, fun() ->
        Seed =
            case os:getenv("SEED") of
                false -> erlang:system_time();
                Set -> list_to_integer(Set)
            end,
        io:format(user, "~nSEED=~b~n", [Seed]),
        _ = rand:seed(exsss, Seed),
        2 = cambrian_nif:pool_start(2),
        Limit = cambrian_nif:memory_limit(),
        World = world(),
        _ = throw_terms(World, 100),
        Atoms = erlang:system_info(atom_count),
        throw_terms(World, 200),
        ?assertEqual(Atoms, erlang:system_info(atom_count)),
        ?assertMatch([_], cambrian_network:activate(hd(maps:get(network, World)), [1, 2])),
        ok = cambrian_nif:memory_set_limit(Limit)
    end}.

%% Calls each function so many times.
throw_terms(World, Rounds) ->
    Signatures = signatures(),
    _ = [call(F, [argument(Kind, World) || Kind <- Kinds])
         || _ <- lists:seq(1, Rounds), {F, Kinds} <- Signatures],
    ok.

%% The exported functions and the names of their variables, from the module's source.
signatures() ->
    {ok, {_, [{abstract_code, {_, Forms}}]}} =
        beam_lib:chunks(code:which(cambrian_nif), [abstract_code]),
    Exports = cambrian_nif:module_info(exports),
    [{F, [Name || {var, _, Name} <- Variables]}
     || {function, _, F, Arity, [{clause, _, Variables, _, _}]} <- Forms,
     lists:member({F, Arity}, Exports)].

call(F, Arguments) ->
    try apply(cambrian_nif, F, Arguments)
    catch
        error:badarg -> badarg;
        Class:Reason -> error({F, Arguments, Class, Reason})
    end,
    %% a duty below 1 would delay all other calls
    ok = cambrian_nif:governor_set_duty(1.0),
    ok = cambrian_nif:memory_set_limit(1 bsl 30),
    receive {_, {error, panicked}} -> error({F, Arguments, panicked})
    after 0 -> forget_messages()
    end.

forget_messages() ->
    receive _ -> forget_messages()
    after 0 -> ok
    end.

%% A resource of each kind that the library makes, and other valid arguments.
world() ->
    {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 1),
    {ok, Grown} =
        cambrian_genotype:mutate(G, #{add_node => 1, add_recurrent => 1, change_plasticity => 1},
                                 1),
    {ok, Other} = cambrian_genotype:new(#{inputs => 3, outputs => 2}, 1),
    Points = #{inputs => [[0], [1]], outputs => [[0.5]]},
    {ok, Substrate} = cambrian_substrate:new(Points),
    {ok, Cppn} = cambrian_genotype:new(cambrian_substrate:shape(Substrate), 1),
    Genotypes = [G, Grown, Other, Cppn],
    {ok, Task} = cambrian_nif:task_new('xor', #{}),
    {ok, Dataset} = cambrian_nif:task_new(dataset, #{inputs => [[0, 1]], targets => [[1]]}),
    {ok, Population} = cambrian_nif:population_new({2, 1}, Task, #{population => 5}, 1, []),
    Tuning = cambrian_nif:population_tuning(Population),
    {ok, Told} = cambrian_nif:tuning_tell(Tuning, [1.0, 2.0, 3.0, 4.0, 5.0]),
    {ok, Evaluated} = cambrian_nif:tuning_settle(Told),
    Claims =
        #{realm => <<"r">>, task => <<"t">>, fitness => 1.0, generation => 1,
          parents => [<<1:256>>],
          operators => [<<"add_node">>], grant => undefined, sequence => 1, time => 1},
    {ok, Sealed} = cambrian_nif:envelope_seal(Claims, G, undefined, <<1:256>>),
    {ok, Envelope, _} = cambrian_nif:envelope_read(Sealed),
    {Inputs, Outputs, Nodes, Connections, _, _} = cambrian_nif:genotype_genes(Grown),
    Networks = [cambrian_network:compile(X) || X <- Genotypes],
    World = #{
        genotype => Genotypes, network => Networks, population => [Population],
              evaluated => [Evaluated], tuning => [Tuning, Told],
        substrate => [Substrate], points => [Points], envelope => [Envelope],
        task => [Task, Dataset], job => [cambrian_nif:task_trial(tag, Task, hd(Networks))],
        name => cambrian_genotype:operators() ++ [dataset, undefined | cambrian_task:names()],
        parameter => [{Name, Default} || {Name, Default, _, _} <- cambrian_nif:parameters_table()],
        bytes => [Sealed, cambrian_nif:envelope_record(Envelope),
                  cambrian_nif:population_encode(Population),
                  cambrian_nif:genotype_diff(G, Grown),
                  cambrian_nif:identity_succession(<<1:256>>, <<2:256>>, 1),
                  element(2, cambrian_nif:identity_grant(<<1:256>>, <<"r">>, <<2:256>>, {1, 2})),
                  element(2, cambrian_nif:charter_seal(charter(), <<1:256>>))
                  | lists:map(fun cambrian_genotype:to_binary/1, Genotypes)
                    ++ [<<"{\"format_version\":\"1.0\",\"network_type\":\"recurrent\","
                          "\"connections\":[],\"nodes\":[],"
                          "\"topology\":{\"input_keys\":[-1],\"output_keys\":[0]}}">>
                       | lists:map(fun cambrian_genotype:to_json/1, Genotypes)]],
        size => [Inputs, Outputs], node => Nodes, claims => [Claims], charter => [charter()],
        connection =>
                  [{From, To, Weight, Enabled} || {_, From, To, Weight, Enabled} <- Connections],
        state => lists:map(fun cambrian_network:initial_state/1, Networks)},
    World#{leaf => lists:append(maps:values(World))
                   ++
               [true, [], {}, #{}, <<>>, 0, 1, -1, 2, 1 bsl 31, 1 bsl 32, 1 bsl 63, 1 bsl 64,
                -1 bsl 63,
                1 bsl 2000, 0.0, -0.0, 1.5, 1.0e300, -1.0e-300, self(), make_ref(), fun() -> ok end,
                fun lists:map/2,
                <<1:1>>, <<0:31>>, <<0, 0, 192, 127>>, <<1, 2, 3>>, binary:copy(<<0>>, 70_000)]}.

charter() ->
    #{realm => <<"r">>, number => 1, issued => 1, owners => [<<1:256>>], threshold => 1,
      revoked => [<<2:256>>]}.

argument(Kind, World) ->
    case rand:uniform(4) of
        1 -> any(World);
        _ -> right(Kind, World)
    end.

right(Kind, World) when Kind =:= '_Genotype'; Kind =:= '_Fitter'; Kind =:= '_Other'; Kind =:= '_A';
Kind =:= '_B';
                          Kind =:= '_Target' ->
    pick(maps:get(genotype, World));
right('_Substrate', World) -> pick(maps:get(substrate, World));
right('_Cppn', World) -> pick(maps:get(genotype, World));
right('_Options', World) ->
    #{inputs := Inputs} = Points = pick(maps:get(points, World)),
    Points#{hidden => argument({default, [Inputs]}, World),
            pick([joins, activation, weight_range, threshold, leo, bias]) => any(World)};
right('_Encoding', World) -> pick([{2, 1} | maps:get(substrate, World)]);
right('_Sizes', _) -> [rand:uniform(5) || _ <- lists:seq(1, rand:uniform(4))];
right('_Network', World) -> pick(maps:get(network, World));
right('_Population', World) -> pick(maps:get(population, World));
right('_Tuning', World) -> pick(maps:get(tuning, World));
right('_Evaluated', World) -> pick(maps:get(evaluated, World));
right('_Envelope', World) -> pick(maps:get(envelope, World));
right('_Job', World) -> pick(maps:get(job, World));
right(Kind, World) when Kind =:= '_Operator'; Kind =:= '_Name' -> pick(maps:get(name, World));
right('_Task', World) -> pick([undefined | maps:get(task, World)]);
right('_Settings', World) ->
    Rows =
        fun(Width) ->
            pick([[numbers(Width) || _ <- lists:seq(1, 4)],
                  {Width, << <<X:32/float-little>> || X <- [0, 1, 1, 0] >>}]) end,
    Data = #{inputs => Rows(2), targets => pick([Rows(1), Rows(2), [0, 1, 1, 2]])},
    pick([#{}, #{pick([bits, length, delay, steps]) => pick([2, 3.0, any(World)])}, Data,
          Data#{pick([kind, validation, seed, inputs, targets, loss, weights]) =>
                    pick([classification, 0.5, 7, {last, 2}, balanced, [1, 2], {huber, 1.5},
                          any(World)])}]);
right('_Count', _) -> pick([0, 1, 5, 1000]);
right(Kind, World) when Kind =:= '_Parameters'; Kind =:= '_Changes' ->
    maps:from_list([{Name, argument({default, Default}, World)}
                    || {Name, Default} <- some(maps:get(parameter, World))]);
right('_Threads', _) -> rand:uniform(3);
right('_Duty', _) -> rand:uniform();
right('_Policy', _) -> pick([champion, tournament, novel, random]);
right(Kind, _) when Kind =:= '_Seed'; Kind =:= '_Draw' -> rand:uniform(1 bsl 64) - 1;
right('_Bytes', World) -> damaged(pick(maps:get(bytes, World)));
right('_Claims', World) -> pick(maps:get(claims, World));
right('_Base', World) -> pick([undefined | maps:get(genotype, World)]);
right(Kind, _) when Kind =:= '_Secret'; Kind =:= '_OldSecret'; Kind =:= '_NewSecret';
Kind =:= '_Key' -> rand:bytes(32);
right('_Prefix', _) -> pick([<<"pole">>, <<>>, <<"a b">>, <<255>>, binary:copy(<<"a">>, 33)]);
right('_Realm', _) -> pick([<<"r">>, <<>>, binary:copy(<<"r">>, 300)]);
right('_Time', _) -> rand:uniform(1 bsl 64) - 1;
right('_IssuedUntil', _) -> {rand:uniform(1 bsl 64) - 1, rand:uniform(1 bsl 64) - 1};
right('_Charter', World) ->
    Charter = pick(maps:get(charter, World)),
    Charter#{pick(maps:keys(Charter)) := argument('_Any', World)};
right('_Nodes', World) ->
    [{Id, Layer, Genes#{pick(maps:keys(Genes)) := any(World)}}
     || {Id, Layer, Genes} <- maps:get(node, World)];
right('_Connections', World) -> some(maps:get(connection, World));
right('_State', World) -> pick(maps:get(state, World));
right('_States', World) -> maps:get(state, World);
right('_Networks', World) -> maps:get(network, World);
right('_Batch', _) -> [numbers(2) || _ <- lists:seq(1, rand:uniform(4))];
right(Kind, World) when Kind =:= '_Inputs'; Kind =:= '_Outputs' ->
    pick([pick(maps:get(size, World)), numbers(2), numbers(3),
          [numbers(2), numbers(2), numbers(3)]]);
right('_Fitness', _) -> rand:normal();
right('_Scores', _) ->
    [pick([rand:normal(), {rand:normal(), [rand:normal() || _ <- lists:seq(1, Cases)]}])
     || Cases <- [0, 1, 2, 2, 3]];
right('_Reward', _) -> rand:normal();
right({default, Value}, _) -> Value;
right(_, World) -> any(World).

numbers(Count) ->
    List = [rand:normal() || _ <- lists:seq(1, Count)],
    pick([List, << <<X:32/float-little>> || X <- List >>]).

%% The bytes, whole or with one byte changed.
damaged(Bytes) ->
    At = rand:uniform(byte_size(Bytes)) - 1,
    <<Head:At/binary, Byte, Tail/binary>> = Bytes,
    pick([Bytes, <<Head/binary, (rand:uniform(256) - 1), Tail/binary>>, <<Head/binary, Byte>>]).

any(World) -> any(World, 3).

any(World, 0) -> pick(maps:get(leaf, World));
any(World, Depth) ->
    Inner = fun() -> any(World, Depth - 1) end,
    case rand:uniform(6) of
        1 -> [Inner() || _ <- lists:seq(1, rand:uniform(4))];
        2 -> [Inner(), Inner() | Inner()];
        3 -> list_to_tuple([Inner() || _ <- lists:seq(1, rand:uniform(5))]);
        4 -> #{Inner() => Inner(), Inner() => Inner()};
        _ -> any(World, 0)
    end.

pick(List) -> lists:nth(rand:uniform(length(List)), List).

some(List) -> [pick(List) || _ <- lists:seq(1, rand:uniform(4) - 1)].

%% Work that is too long for a normal scheduler moves to a dirty one and gives its result.
long_work_goes_to_a_dirty_scheduler_test() ->
    {ok, Small} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 1),
    {ok, Large} = cambrian_genotype:new(#{inputs => 400, outputs => 300}, 1),
    ?assertMatch(#{connections := 2}, cambrian_nif:genotype_info(Small)),
    ?assertEqual(dirty, cambrian_nif:genotype_info(Large)),
    ?assertEqual(dirty, cambrian_nif:genotype_new(400, 300, #{}, 1)),
    ?assertEqual(dirty, cambrian_nif:network_compile(Large)),
    Field = cambrian_substrate:grid([20, 20]),
    {ok, Substrate} = cambrian_substrate:new(#{inputs => Field, outputs => Field, threshold => 0}),
    {ok, Cppn} = cambrian_genotype:new(cambrian_substrate:shape(Substrate), 1),
    ?assertEqual(dirty, cambrian_nif:substrate_express(Substrate, Cppn)),
    {ok, Expressed} = cambrian_substrate:express(Substrate, Cppn),
    ?assertMatch(#{connections := 160_000}, cambrian_genotype:info(Expressed)),
    Network = cambrian_network:compile(Large),
    Inputs = lists:duplicate(400, 0.5),
    ?assertEqual(dirty, cambrian_nif:network_activate(Network, Inputs)),
    ?assertEqual(300, length(cambrian_network:activate(Network, Inputs))),
    {ok, Changed} = cambrian_genotype:mutate(Large, add_node, 1),
    ?assert(cambrian_genotype:distance(Large, Changed) > 0),
    {ok, Copy} = cambrian_genotype:from_binary(cambrian_genotype:to_binary(Large)),
    ?assertEqual(cambrian_genotype:id(Large), cambrian_genotype:id(Copy)).

%% The size is checked before the genotype is built.
a_genotype_beyond_the_bounds_is_refused_at_once_test() ->
    ?assertMatch({error, {invalid_genotype, _}},
                 cambrian_genotype:new(#{inputs => 10_000, outputs => 10_000}, 1)).

%% A VM without the library goes on and names the reason.
a_missing_library_is_an_error_and_the_vm_goes_on_test_() ->
    {timeout, 120, fun() ->
        Dir = filename:join(code:lib_dir(cambrian), "without_library"),
        Ebin = filename:join([Dir, "cambrian", "ebin"]),
        ok = filelib:ensure_dir(filename:join(Ebin, "x")),
        [{ok, _} = file:copy(File, filename:join(Ebin, filename:basename(File)))
         || File <- filelib:wildcard(filename:join(code:lib_dir(cambrian), "ebin/*"))],
        {ok, Peer, _} =
            peer:start(#{connection => standard_io, wait_boot => 300_000,
                         args => ["-pa", Ebin, "-kernel", "logger_level", "none"]}),
        ?assertMatch({error, {nif_not_loaded, {load_failed, _}}},
                     peer:call(Peer, cambrian, evolve, ['xor'])),
        ?assertMatch({nif_not_loaded, {load_failed, _}},
                     raised(fun() -> peer:call(Peer, cambrian, parameters, []) end)),
        peer:stop(Peer),
        ok = file:del_dir_r(Dir)
    end}.

%% A second load is refused, and the loaded library stays with all its resources. A module that
%% was deleted reports that until it is loaded again. The library is never unloaded, because its
%% threads run its code.
a_reload_of_the_library_harms_no_resource_test_() ->
    {timeout, 120, fun() ->
        Ebin = filename:dirname(code:which(cambrian_nif)),
        {ok, Peer, _} =
            peer:start(#{connection => standard_io,
                         args => ["-pa", Ebin, "-kernel", "logger_level", "none"]}),
        Call = fun(M, F, A) -> peer:call(Peer, M, F, A, 60_000) end,
        {ok, _} = Call(application, ensure_all_started, [cambrian]),
        Running = Call(erlang, whereis, [cambrian_sup]),
        {ok, _} =
            Call(cambrian_population, start,
                 [#{task => double_pole_novel, name => pole, target => 1.0e9}]),
        ok = Call(cambrian_population, run, [pole]),
        {ok, Beam} = file:read_file(code:which(cambrian_nif)),
        [begin
             ?assertEqual({F, {error, on_load_failure}}, {F, Call(M, F, A)}),
             ?assertEqual(ok, Call(cambrian_nif, loaded, [])),
             ?assertEqual(Running, Call(erlang, whereis, [cambrian_sup])),
             #{generation := Generation} = Call(cambrian_population, info, [pole]),
             cambrian_wait:until(fun() ->
                 maps:get(generation, Call(cambrian_population, info, [pole])) > Generation + 1
             end)
         end || {M, F, A} <- [{code, load_file, [cambrian_nif]}, {c, l, [cambrian_nif]},
                              {code, load_binary, [cambrian_nif, "cambrian_nif.beam", Beam]}]],
        true = Call(code, soft_purge, [cambrian_nif]),
        ?assertEqual(ok, Call(cambrian_nif, loaded, [])),
        ok = Call(cambrian_population, stop, [pole]),
        {ok, _} = Call(cambrian, evolve, ['xor', #{generations => 2}]),
        _ = Call(application, stop, [cambrian]),
        true = Call(code, delete, [cambrian_nif]),
        ?assertMatch({nif_not_loaded, {upgrade, _}},
                     raised(fun() -> Call(cambrian, parameters, []) end)),
        _ = Call(code, purge, [cambrian_nif]),
        ?assertMatch({module, _}, Call(code, load_file, [cambrian_nif])),
        ?assertMatch({ok, _}, Call(cambrian, evolve, ['xor', #{generations => 2}])),
        peer:stop(Peer)
    end}.

raised(Fun) ->
    try Fun() catch error:Reason -> Reason end.
