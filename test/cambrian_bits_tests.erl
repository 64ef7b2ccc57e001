%% The bits that must be the same on every machine, one fact a line: a name, a space and a hash or
%% an id. test/vectors/bits.txt has the lines. This test compares them, and bin/cross compares
%% them on another machine.
%%
%% `BLESS=1 rebar3 eunit --module=cambrian_bits_tests' writes them again, after an intended
%% change.
-module(cambrian_bits_tests).
-include_lib("eunit/include/eunit.hrl").

-export([print/0, begin_run/1, end_run/1]).

every_bit_is_as_recorded_test_() ->
    [{timeout, 300, fun every_bit_case/0}, {timeout, 60, fun resumed_case/0}].

every_bit_case() ->
    File = cambrian_checkout:path("test/vectors/bits.txt"),
    _ = [ok = file:write_file(File, text()) || os:getenv("BLESS") =/= false],
    {ok, Kept} = file:read_file(File),
    ?assertEqual(binary:split(Kept, <<"\n">>, [global]), binary:split(text(), <<"\n">>, [global])).

%% The run that bin/cross takes from one machine to the other and back.
resumed_case() ->
    cambrian_temporary:with_data_dir(fun(_) ->
        ok = begin_run(traveller),
        ?assertEqual(whole_run(), end_run(traveller))
    end).

%% ---- from a shell ------------------------------------------------------------------------

%% `erl -noinput -s cambrian_bits_tests print -s init stop'.
print() ->
    io:put_chars(text()).

text() -> iolist_to_binary([[Name, " ", What, "\n"] || {Name, What} <- lines()]).

lines() ->
    {ok, _} = application:ensure_all_started(cambrian),
    lists:append([choices(), grown(), operators(), pairs(), evolved(), tuned(), others(),
                  searches(),
                  [{"traveller", whole_run()}], envelopes()]).

%% Starts a run whose last checkpoint, of generation 7, is in the data_dir. Another machine may
%% end the run.
begin_run(Name) ->
    P = traveller(Name),
    {ok, _} = cambrian_population:step(P, 7),
    application:stop(cambrian).

end_run(Name) ->
    P = traveller(Name),
    #{generation := 6} = cambrian_population:info(P),
    ending(P).

whole_run() -> ending(traveller(make_ref())).

traveller(Name) ->
    {ok, _} = application:ensure_all_started(cambrian),
    Options =
        #{task => double_pole_novel, name => Name, seed => 11, generations => 14, target => 99,
          params => every_operator()},
    {ok, P} =
        cambrian_population:start(maps:merge(Options,
                                             maps:from_list([{checkpoint_interval, 0}
                                                             || is_atom(Name)]))),
    P.

ending(P) ->
    ok = cambrian_population:run(P),
    {ok, #{champion := Champion, fitness := Fitness}} = cambrian_population:await(P, infinity),
    {ok, Bytes} = cambrian_population:checkpoint(P),
    ok = cambrian_population:stop(P),
    [hex(cambrian_genotype:id(Champion)), " ", hex(<<Fitness:64/float>>), " ", hash(Bytes)].

%% ---- networks ----------------------------------------------------------------------------

%% Every activation, aggregation, dynamics and plasticity, on numbers from the smallest to the
%% largest, over twelve steps of a network.
choices() ->
    [{io_lib:format("~s ~s", [Gene, Choice]),
      hash([outputs(genotype(Gene, Choice), Inputs) || Inputs <- [ordinary(), extreme()]])}
     || {Gene, Choices} <- lists:sort(maps:to_list(cambrian_genotype:choices())),
     Choice <- Choices].

%% A genotype with three inputs and an output of that kind, which has a link to itself.
genotype(Gene, Choice) ->
    {ok, Start} = cambrian_genotype:new(#{inputs => 3, outputs => 1, output_activation => tanh}, 5),
    {ok, Fed} = cambrian_genotype:mutate(Start, add_recurrent, 6),
    #{nodes := Nodes} = Genes = cambrian_genotype:to_map(Fed),
    Chosen =
        #{gain => 0.75, bias => 0.125, time_constant => 3.7, learning_rate => 0.05, decay => 0.01},
    {ok, Genotype} = cambrian_genotype:from_map(
                       Genes#{nodes := [case Node of
                                            #{kind := output} ->
                               (maps:merge(Node, Chosen))#{Gene := Choice};
                                            _ -> Node
                                        end || Node <- Nodes]}),
    Genotype.

ordinary() -> [I / 16 || I <- lists:seq(-160, 160)].

extreme() ->
    [Sign * X
     || Sign <- [1, -1],
     X <- [0, 1.0e-45, 1.0e-38, 1.0e-30, 1.0e-7, 0.49999997, 0.5, 1.0000001, 9.5, 17.0, 88.0, 89.0,
           103.5, 1.0e3, 1.0e6, 1.0e12]].

outputs(Genotype, Numbers) ->
    Network = cambrian_network:compile(Genotype),
    #{inputs := Width} = cambrian_network:info(Network),
    Rows = rows(Width, Numbers),
    [cambrian_network:activate_batch(Network, << <<Row/binary>> || Row <- Rows >>),
     cambrian_network:activate_many([Network || _ <- Rows], Rows),
     stepped(Network, lists:sublist(Rows, 12))].

%% As many rows as numbers, and one row less, so that the last vectors are not full.
rows(Width, Numbers) ->
    Around = list_to_tuple(Numbers),
    [<< <<(element((At * (I + 1)) rem tuple_size(Around) + 1, Around)):32/float-little>>
       || I <- lists:seq(1, Width) >>
     || At <- lists:seq(1, length(Numbers) - 1)].

stepped(Network, Rows) ->
    {Outputs, Last} = lists:mapfoldl(fun(Row, Memory) ->
                                         {Output, Next} =
                                             cambrian_network:step(Network, Memory, Row),
                                         {Output, cambrian_network:reward(Network, Next, 0.5)}
                                     end, cambrian_network:initial_state(Network), Rows),
    [Outputs, Last].

%% Large genotypes that use every operator.
grown() ->
    [{io_lib:format("network of seed ~b", [Seed]),
      hash(outputs(many_changes(Seed, 300), ordinary()))} || Seed <- [1, 2, 3]].

many_changes(Seed, Count) ->
    {ok, First} = cambrian_genotype:new(#{inputs => 9, outputs => 4}, Seed),
    lists:foldl(fun(Change, Genotype) ->
                    {ok, Next} =
                        cambrian_genotype:mutate(Genotype, every_operator(), Seed * 1000 + Change),
                    Next
                end, First, lists:seq(1, Count)).

%% The operators that add occur more often than those that remove.
every_operator() ->
    maps:from_list([{Operator, case atom_to_list(Operator) of "remove" ++ _ -> 0.03; _ -> 0.2 end}
                    || Operator <- cambrian_genotype:operators()]).

%% ---- genotypes ---------------------------------------------------------------------------

operators() ->
    Base = many_changes(4, 60),
    [{io_lib:format("operator ~s", [Operator]),
      case cambrian_genotype:mutate(Base, Operator, 7) of
          {ok, Genotype} -> hex(cambrian_genotype:id(Genotype));
          {error, not_applicable} -> "not_applicable"
      end} || Operator <- cambrian_genotype:operators()].

pairs() ->
    [A, B] = [many_changes(Seed, 40) || Seed <- [5, 6]],
    {ok, Child} = cambrian_genotype:crossover(A, B, 8),
    Difference = cambrian_genotype:diff(A, B),
    [{"crossover", hex(cambrian_genotype:id(Child))},
     {"distance", hex(<<(cambrian_genotype:distance(A, B)):64/float>>)},
     {"difference", hash(Difference)}, {"bytes", hash(cambrian_genotype:to_binary(A))}].

%% ---- runs --------------------------------------------------------------------------------

%% Each task in Rust; the ids of the first two are those of
%% native/cambrian_core/tests/engine/evolution.rs.
evolved() ->
    [run("xor", 'xor', #{seed => 42, generations => 25}),
     run("double_pole_novel", double_pole_novel, #{seed => 42, generations => 12})]
    ++ [run(io_lib:format("~s with every operator", [Task]), Task,
            #{seed => Seed, generations => 6, params => every_operator()})
        || {Seed, Task} <- lists:zip(lists:seq(1, length(cambrian:tasks())), cambrian:tasks())].

tuned() ->
    [run(io_lib:format("tuning ~s", [Tuning]), double_pole,
         #{seed => 2, generations => 3, population => 20, params => #{tuning => Tuning}})
     || Tuning <- [hill_climbing, cma_es, sep_cma_es]]
    ++ [run(io_lib:format("selection ~s", [Selection]), 'xor',
            #{seed => 3, generations => 8, params => #{selection => Selection, replacement => 0.5}})
        || Selection <- [truncation, tournament, roulette, rank, sus, lexicase]].

others() ->
    Wave = [[X / 10] || X <- lists:seq(-20, 20)],
    Field = cambrian_substrate:grid([3, 3]),
    {ok, Layers} =
        cambrian_substrate:new(#{inputs => Field, hidden => [Field], outputs => Field, leo => true,
                                 bias => true}),
    {ok, Quadtree} =
        cambrian_substrate:new(#{inputs => Field, hidden => #{max_depth => 4},
                                 outputs => [[0, 0]]}),
    Centre =
        fun(Network) -> hd(cambrian_network:activate(Network, [0, 0, 0, 0, 1, 0, 0, 0, 0])) end,
    Distance = fun(Network) -> -abs(hd(cambrian_network:activate(Network, [0.5, -1])) - 0.7) end,
    Squares = {dataset, Wave, [[X * X / 4] || [X] <- Wave]},
    [run("dataset", Squares, #{seed => 4, generations => 8})]
    ++ [run(io_lib:format("gradients ~s", [Tuning]), Squares,
            #{seed => 4, generations => 3, population => 10, hidden => [4], tuning => Tuning,
              params => #{tuning_budget => 60}})
        || Tuning <- [adam, lbfgs]]
    ++ [run("fun", Distance,
            #{seed => 5, inputs => 2, outputs => 1, generations => 5, population => 30})]
    ++ [run("substrate " ++ Name, Centre,
            #{seed => 6, substrate => Substrate, generations => 4, population => 30})
        || {Name, Substrate} <- [{"layers", Layers}, {"quadtree", Quadtree}]].

run(Name, Task, Options) ->
    {ok, #{champion := Champion, fitness := Fitness, evaluations := Evaluations}} =
        cambrian:evolve(Task, Options#{target => 1.0e9}),
    {["champion ", Name],
     [hex(cambrian_genotype:id(Champion)), " ", hex(<<Fitness:64/float>>), " ",
      integer_to_list(Evaluations)]}.

%% The other searches, each with its archive or its front: every emitter in a grid and around
%% centroids, behaviours of a task and of probes.
searches() ->
    Emitters = [neat, iso_line, cma_me, cma_mae],
    Elites = fun(Params) -> #{search => map_elites, params => Params#{emitter_batch => 10}} end,
    [search(Name, Task, Options#{seed => 9, generations => 8, population => 60})
     || {Name, Task, Options} <-
            [{"novelty", maze_medium, #{search => novelty}},
             {"novelty of probes", 'xor', #{search => novelty}},
             {"dominated_novelty", maze_medium, #{search => dominated_novelty}},
             {"nsga2", zdt1, #{search => pareto}},
             {"nsga2 of energy, connections and novelty", maze_medium,
              #{search => pareto,
                params => #{objectives => [fitness, energy, connections, novelty]}}},
             {"nsga3", dtlz2, #{search => pareto, params => #{pareto => nsga3}}},
             {"map_elites of probes", 'xor', Elites(#{})},
             {"map_elites all emitters", maze_medium,
              Elites(#{emitters => Emitters, emitter_step => 0.3})},
             {"map_elites cvt", maze_medium,
              Elites(#{emitters => Emitters, partition => cvt, cells => 500})},
             {"map_elites random projection", fun bent/1,
              (Elites(#{projection => random, bounds => [{-9, 9}, {-9, 9}]}))
                  #{inputs => 1, outputs => 2}},
             {"map_elites principal components", fun bent/1,
              (Elites(#{projection => principal, components => 3, emitters => Emitters,
                        emitter_step => 0.3}))#{inputs => 1, outputs => 2}}]
            ++
         [{["map_elites ", atom_to_list(Emitter)], linear_projection,
           Elites(#{emitters => [Emitter]})}
          || Emitter <- Emitters]
            ++
         [{["evolution_strategy ", atom_to_list(Strategy)], 'xor',
           #{search => evolution_strategy, strategy => Strategy, hidden => [3],
             params => #{strategy_budget => 300}}}
          || Strategy <- [cma_es, sep_cma_es, open_ai_es, differential_evolution, l_shade,
                          particle_swarm]]].

%% A behaviour of 60 numbers, by operations that every machine rounds alike.
bent(Network) ->
    [High, Low] = cambrian_network:activate(Network, [1.0]),
    #{fitness => High - Low,
      behaviour => [High * At * (60 - At) / 900 + Low * (At rem 3) || At <- lists:seq(1, 60)]}.

search(Name, Task, Options) ->
    {ok, #{champion := Champion, fitness := Fitness, evaluations := Evaluations} = Result} =
        cambrian:evolve(Task, Options#{target => 1.0e9}),
    {["search ", Name],
     [hex(cambrian_genotype:id(Champion)), " ", hex(<<Fitness:64/float>>), " ",
      integer_to_list(Evaluations),
      [[" ", hex(cambrian_archive:id(Archive))] || #{archive := Archive} <- [Result]],
      [[" ",
        hash([[cambrian_genotype:id(Genotype) | [<<Objective:64/float>> || Objective <- Objectives]]
              || #{genotype := Genotype, objectives := Objectives} <- Front])]
       || #{front := Front} <- [Result]]]}.

%% ---- what travels ------------------------------------------------------------------------

envelopes() ->
    Genotype = many_changes(7, 100),
    Claims =
        #{realm => <<"org.example.bits">>, task => <<"xor">>, fitness => 3.9, generation => 3,
          sequence => 1,
          time => 1_800_000_000_000},
    {ok, Bytes} = cambrian_envelope:seal(Claims, Genotype, binary:copy(<<16#21>>, 32)),
    [{"envelope", hash(Bytes)}].

hash(Bytes) -> hex(crypto:hash(sha256, Bytes)).

hex(Bytes) -> string:lowercase(binary:encode_hex(Bytes)).
