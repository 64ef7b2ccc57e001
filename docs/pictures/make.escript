#!/usr/bin/env escript
%% Makes the pictures here again, to the byte, or elsewhere: ERL_LIBS=_build/default/lib docs/pictures/make.escript [DIR]

main([]) -> main([filename:dirname(escript:script_name())]);
main([Dir]) ->
    {ok, _} = application:ensure_all_started(cambrian),
    Pole = evolved(#{task => double_pole_novel, seed => 4}),
    Maze = evolved(#{task => t_maze, seed => 6, params => #{dynamics => [none, leaky, cfc], change_dynamics => 0.3,
                                                            aggregations => [sum, product, max], change_aggregation => 0.1}}),
    [ok = file:write_file(filename:join(Dir, File), Picture)
     || {File, Picture} <- [
            {"champion.svg", network(Pole, #{inputs => ["cart x", "long pole", "short pole", "bias"], outputs => ["force"]})},
            {"fitness.svg", cambrian_picture:fitness(Pole, #{title => "Two poles without their speed: fitness"})},
            {"species.svg", cambrian_picture:species(Pole, #{title => "Two poles without their speed: species"})},
            {"elites.svg", elites(#{seed => 3, generations => 400, target => 1000})},
            {"front.svg", front()},
            {"dynamics.svg", network(Maze, #{inputs => ["left", "ahead", "right", "reward"], outputs => ["turn"]})}]],
    ok.

%% The story of a population until it has solved its task.
evolved(Options) ->
    {ok, Population} = cambrian_population:start(Options#{generations => 500}),
    {ok, Recorder} = cambrian_recorder:start(Population),
    ok = cambrian_population:run(Population),
    {ok, #{solved := true}} = cambrian_population:await(Population, infinity),
    %% without a name its lines are called best and mean
    Story = maps:remove(name, cambrian_recorder:read(Recorder)),
    ok = cambrian_recorder:stop(Recorder),
    ok = cambrian_population:stop(Population),
    Story.

elites(Options) ->
    {ok, #{archive := Archive}} = cambrian:evolve(maze_hard, Options#{search => map_elites}),
    cambrian_archive:to_svg(Archive, #{title => <<"The hard maze: an elite for each place">>, width => 480,
                                       labels => ["x of the place", "y of the place"]}).

front() ->
    {ok, #{front := Front, champion := Champion}} =
        cambrian:evolve('xor', #{search => pareto, seed => 1, generations => 60, target => 4,
                                 params => #{objectives => [fitness, connections]}}),
    cambrian_front:to_svg(Front, #{title => <<"XOR with few connections: the front">>, width => 560, champion => Champion,
                                   labels => ["fitness", <<"−connections"/utf8>>]}).

network(#{result := #{champion := Bytes}}, Labels) ->
    {ok, Champion} = cambrian_genotype:from_binary(Bytes),
    cambrian_picture:network(Champion, #{labels => Labels}).
