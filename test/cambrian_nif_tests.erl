-module(cambrian_nif_tests).
-include_lib("eunit/include/eunit.hrl").

%% Every function of the library, with every combination of a few hostile arguments: it answers, or
%% raises badarg; no panic, no crash, and no atom is made.
no_argument_harms_the_vm_test_() ->
    {timeout, 300, fun() ->
        {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 1),
        {ok, S} = cambrian_substrate:new(#{inputs => [[0]], outputs => [[1]]}),
        Junk = [undefined, -1, 1 bsl 70, 1.5, <<>>, <<1, 2, 3>>, [], [a | b], [<<1>>, 2], #{}, #{x => y}, {}, self(),
                make_ref(), G, cambrian_network:compile(G), S],
        _ = [call(F, Arguments) || {F, Arity} <- functions(), Arguments <- combinations(Arity, Junk)],
        Atoms = erlang:system_info(atom_count),
        _ = [call(F, Arguments) || {F, Arity} <- functions(), Arguments <- combinations(Arity, Junk)],
        ?assertEqual(Atoms, erlang:system_info(atom_count)),
        ?assertMatch([_], cambrian_network:activate(cambrian_network:compile(G), [1, 2]))
    end}.

%% pool_start would be obeyed.
functions() ->
    [{F, A} || {F, A} <- cambrian_nif:module_info(exports),
               not lists:member(F, [module_info, loaded, load, pool_start])].

%% All of them where they are few, else a spread of them that is the same at every run.
combinations(Arity, Junk) ->
    Count = length(Junk),
    All = trunc(math:pow(Count, Arity)),
    Step = max(1, All div 500),
    [digits(N, Arity, Count, Junk) || N <- lists:seq(0, All - 1, Step)].

digits(_, 0, _, _) -> [];
digits(N, Arity, Count, Junk) -> [lists:nth(1 + N rem Count, Junk) | digits(N div Count, Arity - 1, Count, Junk)].

call(F, Arguments) ->
    try apply(cambrian_nif, F, Arguments)
    catch
        error:badarg -> badarg;
        Class:Reason -> error({F, Arguments, Class, Reason})
    end.

%% What is long for a normal scheduler is not done on one, and is done all the same.
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

%% Refused before it is built.
a_genotype_beyond_all_bounds_is_refused_at_once_test() ->
    ?assertMatch({error, {invalid_genotype, _}}, cambrian_genotype:new(#{inputs => 10_000, outputs => 10_000}, 1)).

%% A VM that lacks the library stays up and says why.
a_missing_library_is_named_and_the_vm_stays_up_test_() ->
    {timeout, 120, fun() ->
        Dir = filename:join(code:lib_dir(cambrian), "without_library"),
        Ebin = filename:join([Dir, "cambrian", "ebin"]),
        ok = filelib:ensure_dir(filename:join(Ebin, "x")),
        [{ok, _} = file:copy(File, filename:join(Ebin, filename:basename(File)))
         || File <- filelib:wildcard(filename:join(code:lib_dir(cambrian), "ebin/*"))],
        {ok, Peer, _} = peer:start(#{connection => standard_io, args => ["-pa", Ebin, "-kernel", "logger_level", "none"]}),
        ?assertMatch({error, {nif_not_loaded, {load_failed, _}}}, peer:call(Peer, cambrian, evolve, ['xor'])),
        ?assertMatch({nif_not_loaded, {load_failed, _}}, raised(fun() -> peer:call(Peer, cambrian, parameters, []) end)),
        peer:stop(Peer),
        ok = file:del_dir_r(Dir)
    end}.

raised(Fun) ->
    try Fun() catch error:Reason -> Reason end.
