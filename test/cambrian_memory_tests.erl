-module(cambrian_memory_tests).
-include_lib("eunit/include/eunit.hrl").
-export([extremes/1, limited/1, a_population_that_outgrows_its_memory_ends_its_run/0]).

%% Sizes that are each within their documented range, but whose product fits in no machine. The VM
%% that gets them has a small address space, so it would die if memory was taken before the check.
-define(KIB, 2_200_000).

%% The exit status and the output of a call in another VM.
in_another_vm(Call) ->
    Erl = filename:join([code:root_dir(), "bin", "erl"]),
    Ebins =
        lists:append([["-pa", filename:dirname(code:which(Module))]
                      || Module <- [cambrian, ?MODULE]]),
    Args = Ebins ++
        ["+MIscs", "64", "-noshell", "-eval",
         lists:flatten(io_lib:format("~ts, halt(0).", [Call]))],
    Limited = io_lib:format("ulimit -v ~b && exec \"$@\"", [?KIB]),
    Port =
        open_port({spawn_executable, "/bin/sh"},
                  [{args, ["-c", lists:flatten(Limited), "sh", Erl | Args]}, exit_status,
                   stderr_to_stdout, binary]),
    ended(Port, []).

ended(Port, Said) ->
    receive
        {Port, {data, Bytes}} -> ended(Port, [Said, Bytes]);
        {Port, {exit_status, Status}} -> {Status, unicode:characters_to_binary(Said)}
    end.

a_vm_survives_calls_that_ask_for_too_much_memory_test_() ->
    case os:type() of
        {unix, linux} -> {timeout, 300, fun a_vm_survives_calls_that_ask_for_too_much_memory/0};
        _ -> {"skipped: no limit of the address space", []}
    end.

%% One call may take half of the limit of the VM, as it may take half of the machine's memory
%% elsewhere.
a_vm_survives_calls_that_ask_for_too_much_memory() ->
    Limit = min(?KIB * 1024 div 2, cambrian_nif:memory_limit()),
    Call = io_lib:format("cambrian_memory_tests:extremes(~b)", [Limit]),
    ?assertEqual({0, <<"all answered">>}, in_another_vm(Call)).

%% Each call is refused with the number of bytes, or needs much less than it seems. Prints the
%% calls with other answers.
extremes(Limit) ->
    {ok, _} = application:ensure_all_started(cambrian),
    Limit = cambrian_nif:memory_limit(),
    Wrong =
        [{Name, Answer}
         || {Name, Call, IsRight} <- calls(), Answer <- [Call()], not IsRight(Answer)],
    case Wrong of
        [] -> io:format("all answered");
        _ -> io:format("~0tP", [Wrong, 100])
    end.

calls() ->
    Wide = network(#{inputs => 1, outputs => 10_000}),
    Rows = <<0:(8 * 8_000_000)>>,
    Short = [[0] || _ <- lists:seq(1, 100_000)],
    Deep = cambrian_network:compile(delayed(10_000)),
    [{batch, fun() -> cambrian_network:activate_batch(Wide, Rows) end, fun is_refused/1},
     {batch_of_lists, fun() -> cambrian_network:activate_batch(Wide, Short) end, fun is_refused/1},
     {many, fun() -> cambrian_network:activate_many(lists:duplicate(100_000, Wide), Short) end,
      fun is_refused/1},
     {many_steps, fun() ->
          State = cambrian_network:initial_state(Deep),
          cambrian_network:step_many(lists:duplicate(100_000, Deep),
                                     lists:duplicate(100_000, State),
                                     Short)
      end, fun is_refused/1},
     {population,
      fun() -> population(#{population => 1_000_000, inputs => 10_000, outputs => 100}) end,
      fun is_refused/1},
     {population_from, fun() ->
          {ok, Founder} = cambrian_genotype:new(#{inputs => 1000, outputs => 1000}, 1),
          population(#{population => 1_000_000, inputs => 1000, outputs => 1000, from => Founder})
      end, fun is_refused/1},
     {tuning, fun() ->
          population(#{population => 100_000, inputs => 100, outputs => 10,
                       params => #{tuning => cma_es, tuning_share => 1.0}})
      end, fun is_refused/1},
     {tuning_of_a_large_one, fun() ->
          population(#{population => 2, inputs => 100, outputs => 300, generations => 1,
                       params => #{tuning => cma_es, tuning_budget => 100}})
      end, fun is_ok/1},
     {substrate, fun() ->
          Points = cambrian_substrate:grid([56, 56]),
          cambrian_substrate:new(#{inputs => Points, outputs => Points})
      end, fun is_ok/1},
     {dataset, fun() ->
          Data =
              #{inputs => {10_000, binary:copy(<<0:32>>, 100_000_000)},
                targets => {1, <<0:(32 * 10_000)>>}},
          cambrian_task:prepare({dataset, Data}, #{})
      end, fun is_refused/1},
     {genotype, fun() -> cambrian_genotype:new(#{inputs => 10_000, outputs => 10_000}, 1) end,
      fun is_too_large/1},
     {outputs_of_a_dataset, fun() ->
          Classes = [Row rem 10_000 || Row <- lists:seq(1, 30_000)],
          Data = #{inputs => {1, <<0:(32 * 30_000)>>}, targets => Classes, kind => classification},
          cambrian_task:evaluate({dataset, Data}, Wide, #{timeout => infinity})
      end, fun is_ok/1},
     %% the last call, since it leaves no memory
     {substrates, fun() -> substrates([]) end, fun is_refused/1}].

network(Options) ->
    {ok, Genotype} = cambrian_genotype:new(Options, 1),
    cambrian_network:compile(Genotype).

%% A network of nodes that each remember 64 numbers.
delayed(Count) ->
    {ok, Genotype} = cambrian_genotype:new(#{inputs => 1, outputs => 1}, 1),
    #{nodes := Nodes, connections := Connections} = Map = cambrian_genotype:to_map(Genotype),
    #{id := Output} = lists:last(Nodes),
    Slow =
        [#{id => Id, layer => 1 bsl 62, dynamics => delay, time_constant => 64.0}
         || Id <- lists:seq(1, Count)],
    Links =
        [#{from => Id, to => Output, weight => 0.0, enabled => true} || Id <- lists:seq(1, Count)],
    {ok, Deep} =
        cambrian_genotype:from_map(Map#{nodes := Nodes ++ Slow,
                                        connections := Connections ++ Links}),
    Deep.

population(Options) ->
    cambrian:evolve(fun(_) -> 1.0 end, maps:merge(#{seed => 1, generations => 1}, Options)).

%% Makes substrates until memory is used up.
substrates(Kept) when length(Kept) < 100 ->
    Points = cambrian_substrate:grid([55, 55]),
    case cambrian_substrate:new(#{inputs => Points, outputs => Points}) of
        {ok, Substrate} -> substrates([Substrate | Kept]);
        Error -> Error
    end;
substrates(_) -> all_of_them.

is_refused({error, {not_enough_memory, Wanted, Allowed}}) -> Wanted > Allowed;
is_refused({error, {bad_parameter, {population, _, Expected}}}) -> says_bytes(Expected);
is_refused({error, {bad_dataset, {memory, Wanted, Expected}}}) ->
    {match, [Allowed]} =
        re:run(Expected, "^at most (\\d+) bytes", [{capture, all_but_first, list}]),
    Wanted > list_to_integer(Allowed);
is_refused(_) -> false.

says_bytes(Text) ->
    re:run(Text, "would take \\d+ bytes, of which \\d+ are allowed", [{capture, none}]) =:= match.

is_ok({ok, _}) -> true;
is_ok(_) -> false.

is_too_large({error, {invalid_genotype, Text}}) ->
    Text =:= <<"20000 nodes and 100000000 connections; expected at most 100000 and 1000000">>;
is_too_large(_) -> false.

%% Unless the application sets it, the limit is half of the limit of the process.
the_application_can_set_the_memory_limit_test_() ->
    {timeout, 120, fun the_application_can_set_the_memory_limit/0}.

the_application_can_set_the_memory_limit() ->
    Wanted = 2 * 4 * 10_001 * 100_000,
    Expected = io_lib:format("1000000000 {error,{not_enough_memory,~b,1000000000}}", [Wanted]),
    ?assertEqual({0, iolist_to_binary(Expected)},
                 in_another_vm("cambrian_memory_tests:limited(1_000_000_000)")),
    {Status, Said} = in_another_vm("cambrian_memory_tests:limited(0)"),
    ?assertNotEqual(0, Status),
    ?assertMatch({match, _},
                 re:run(Said, "memory_limit,0,\\s*<<\"bytes, from 1 to 2\\^63 - 1\">>")).

limited(Bytes) ->
    ok = application:load(cambrian),
    ok = application:set_env(cambrian, memory_limit, Bytes),
    {ok, _} = application:ensure_all_started(cambrian),
    Wide = network(#{inputs => 1, outputs => 10_000}),
    Answer = cambrian_network:activate_batch(Wide, <<0:(32 * 100_000)>>),
    io:format("~b ~0p", [cambrian_nif:memory_limit(), Answer]).

%% The run of a population that outgrows its limit ends with that reason, and the VM goes on.
a_population_that_outgrows_its_memory_ends_its_run_test_() ->
    {timeout, 120, fun a_population_that_outgrows_its_memory_ends_its_run/0}.

a_population_that_outgrows_its_memory_ends_its_run() ->
    {ok, _} = application:ensure_all_started(cambrian),
    Found = cambrian_nif:memory_limit(),
    {ok, P} =
        cambrian_population:start(#{task => 'xor', population => 5000, seed => 1, target => 99}),
    try
        {ok, _} = cambrian_population:step(P, 1),
        ok = cambrian_nif:memory_set_limit(2_000_000),
        ?assertMatch({error, {not_enough_memory, Wanted, 2_000_000}} when Wanted > 2_000_000,
                     cambrian_population:step(P, 1)),
        ok = cambrian_nif:memory_set_limit(Found),
        ?assertMatch({ok, #{generation := 1}}, cambrian_population:step(P, 1))
    after
        ok = cambrian_nif:memory_set_limit(Found),
        cambrian_population:stop(P)
    end.
