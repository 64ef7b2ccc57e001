#!/usr/bin/env escript
%% json.escript write DIR: genotypes with genes of every kind, as N.bytes and as N.json.
%% json.escript read DIR: what another program wrote as N.theirs.json is the same genotype.

-define(COUNT, 200).

main(["write", Dir]) ->
    ok = filelib:ensure_dir(filename:join(Dir, "x")),
    _ = [begin
             Genotype = grown(Seed),
             ok = file:write_file(path(Dir, Seed, ".bytes"), cambrian_genotype:to_binary(Genotype)),
             ok = file:write_file(path(Dir, Seed, ".json"), cambrian_genotype:to_json(Genotype))
         end || Seed <- lists:seq(1, ?COUNT)],
    ok;
main(["read", Dir]) ->
    _ = [begin
             {ok, Bytes} = file:read_file(path(Dir, Seed, ".bytes")),
             {ok, Json} = file:read_file(path(Dir, Seed, ".theirs.json")),
             {ok, Genotype} = cambrian_genotype:from_json(Json),
             Bytes = cambrian_genotype:to_binary(Genotype)
         end || Seed <- lists:seq(1, ?COUNT)],
    io:format("~b genotypes as JSON of Python's: read, the same~n", [?COUNT]).

path(Dir, Seed, Suffix) -> filename:join(Dir, integer_to_list(Seed) ++ Suffix).

grown(Seed) ->
    Choices = cambrian_genotype:choices(),
    {ok, New} = cambrian_genotype:new(#{inputs => 3, outputs => 2}, Seed),
    Rates =
        #{add_node => 0.5, add_connection => 0.5, add_recurrent => 0.5, change_dynamics => 0.5,
          change_plasticity => 0.5,
          change_aggregation => 0.5, change_gain => 0.5, change_activation => 0.5,
          toggle_connection => 0.3,
          activations => maps:get(activation, Choices)},
    lists:foldl(fun(Step, Genotype) ->
                    {ok, Next} = cambrian_genotype:mutate(Genotype, Rates, 1000 * Seed + Step),
                    Next
                end, New, lists:seq(1, Seed rem 20)).
