-module(cambrian_nif_tests).
-include_lib("eunit/include/eunit.hrl").

%% Every function of the library, with every combination of a few hostile arguments: it answers, or
%% raises badarg; no panic, no crash, and no atom is made.
no_argument_harms_the_vm_test_() ->
    {timeout, 60, fun() ->
        {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 1),
        Junk = [undefined, -1, 1 bsl 70, 1.5, <<>>, <<1, 2, 3>>, [], [a | b], [<<1>>, 2], #{}, #{x => y}, {}, self(),
                make_ref(), G, cambrian_network:compile(G)],
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
    Step = max(1, All div 3000),
    [digits(N, Arity, Count, Junk) || N <- lists:seq(0, All - 1, Step)].

digits(_, 0, _, _) -> [];
digits(N, Arity, Count, Junk) -> [lists:nth(1 + N rem Count, Junk) | digits(N div Count, Arity - 1, Count, Junk)].

call(F, Arguments) ->
    try apply(cambrian_nif, F, Arguments)
    catch
        error:badarg -> badarg;
        Class:Reason -> error({F, Arguments, Class, Reason})
    end.
