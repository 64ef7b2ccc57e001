#!/usr/bin/env escript
%%! -noinput +Bd -start_epmd false -epmd_module cambrian_epmd
%% Measures what a second member is worth. A VM with one scheduler evolves a population of 2,000 for
%% ten generations, by a task in Erlang that takes a millisecond of one core; then a federation of
%% two such VMs does the same. It prints the time of each, and their ratio; the champions must be
%% equal. It needs `make build', and two idle cores.
%%
%%   bench/sharing.escript TURNS
-mode(compile).
-define(MOST_MS, 600_000).
-define(OPTIONS, #{task => millisecond, seed => 1, population => 2000, generations => 10,
                   target => 2.0}).

main([Turns]) ->
    find_code(),
    ok = cambrian_cli_federation:be_a_node(),
    logger:set_primary_config(level, error),
    Vms = [begin_vm() || _ <- [1, 2]],
    Code = task(loops_in_a_millisecond(hd(Vms))),
    [{module, millisecond} = erpc:call(Vm, code, load_binary, [millisecond, "", Code])
     || Vm <- Vms],
    Ratios = [turn(Vms) || _ <- lists:seq(1, list_to_integer(Turns))],
    io:format("median ratio ~.2f of ~b turns~n",
              [lists:nth((length(Ratios) + 1) div 2, lists:sort(Ratios)), length(Ratios)]);
main(_) ->
    io:format(standard_error, "sharing.escript: expected TURNS~n", []),
    halt(2).

find_code() ->
    Bench = filename:dirname(filename:absname(escript:script_name())),
    Root = filename:dirname(Bench),
    true = code:add_patha(filename:join(Root, "_build/default/lib/cambrian/ebin")).

begin_vm() ->
    {_, Vm} = cambrian_cli_federation:start_vm(),
    _ = [erpc:call(Vm, net_kernel, connect_node, [Other]) || Other <- nodes(), Other =/= Vm],
    ok = erpc:call(Vm, logger, set_primary_config, [level, error]),
    _ = erpc:call(Vm, erlang, system_flag, [schedulers_online, 1]),
    Vm.

turn([One | _] = Vms) ->
    {Alone, Champion} = evolve([One], ?OPTIONS),
    {Together, Champion} = evolve(Vms, (?OPTIONS)#{name => shared, federation => #{}}),
    io:format("one VM ~.1f s, two VMs ~.1f s, ratio ~.2f~n",
              [Alone / 1000, Together / 1000, Alone / Together]),
    Alone / Together.

evolve([First | _] = Vms, Options) ->
    Populations = [element(2, {ok, _} = erpc:call(Vm, cambrian_population, start, [Options]))
                   || Vm <- Vms],
    Population = hd(Populations),
    Begin = erlang:monotonic_time(millisecond),
    ok = erpc:call(First, cambrian_population, run, [Population]),
    {ok, #{champion := Champion}} =
        erpc:call(First, cambrian_population, await, [Population, ?MOST_MS]),
    Id = erpc:call(First, cambrian_genotype, id, [Champion]),
    Took = erlang:monotonic_time(millisecond) - Begin,
    _ = [erpc:call(Vm, cambrian_population, stop, [P]) || {Vm, P} <- lists:zip(Vms, Populations)],
    {Took, Id}.

%%% ---- the task ---------------------------------------------------------------------------

%% By the fastest of some tries, as others may disturb it.
loops_in_a_millisecond(Vm) ->
    Loops = 1_000_000,
    Code = task(Loops),
    {module, millisecond} = erpc:call(Vm, code, load_binary, [millisecond, "", Code]),
    Micros = lists:min([element(1, erpc:call(Vm, timer, tc, [millisecond, loop, [Loops, 1]]))
                        || _ <- lists:seq(1, 20)]),
    Loops * 1000 div Micros.

task(Loops) ->
    Source = ["-module(millisecond).", "-export([init/1, evaluate/2, loop/2]).",
              "init(_) -> {ok, #{inputs => 2, outputs => 1}, none}.",
              io_lib:format("evaluate(Network, _) ->"
                            "    true = is_integer(loop(~b, 1)),"
                            "    hd(cambrian_network:activate(Network, [0.5, -0.5])).", [Loops]),
              "loop(0, X) -> X;",
              "loop(N, X) -> loop(N - 1, (X * 1103515245 + 12345) band 16#7fffffff)."],
    {ok, Tokens, _} = erl_scan:string(lists:flatten(lists:join($\n, Source))),
    {ok, millisecond, Code} = compile:forms(forms(Tokens), []),
    Code.

forms([]) -> [];
forms(Tokens) ->
    {Form, [Dot | Rest]} = lists:splitwith(fun(Token) -> element(1, Token) =/= dot end, Tokens),
    {ok, Parsed} = erl_parse:parse_form(Form ++ [Dot]),
    [Parsed | forms(Rest)].
