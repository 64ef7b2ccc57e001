#!/usr/bin/env escript
%% Compares all ways to define the same task, and all ways to call the same activations, with the
%% first way of each table. The ways run in turns, so that other load on the machine affects all
%% alike. The tables have medians of ratios. It needs `make build'.
%%
%%   bench/ways.escript [task|calls|threads|files ...]    default all
-mode(compile).

-define(ROUNDS, 9).
-define(ROWS, 100).
-define(PARTS, ["task", "calls", "threads", "files"]).

main(Parts) ->
    _ = [wrong([Unknown, ": expected names of parts: ", lists:join(", ", ?PARTS)])
         || Unknown <- Parts -- ?PARTS],
    find_code(),
    {ok, _} = application:ensure_all_started(cambrian),
    _ = [part(Part) || Part <- ?PARTS, Parts =:= [] orelse lists:member(Part, Parts)],
    ok.

%% Finds the code of `make build' beside this script, so that no ERL_LIBS is needed.
find_code() ->
    Bench = filename:dirname(filename:absname(escript:script_name())),
    Ebin = filename:join(filename:dirname(Bench), "_build/default/lib/cambrian/ebin"),
    case code:add_patha(Ebin) of
        true -> ok;
        {error, bad_directory} -> wrong("nothing is built: run `make build` first")
    end.

wrong(Why) ->
    io:format(standard_error, "ways.escript: ~ts~n", [Why]),
    halt(2).

%% One input, one output, a hundred rows: in Rust, in Erlang, and in a program, where each row is a
%% step.
part("task") ->
    Rows = [X / ?ROWS || X <- lists:seq(1, ?ROWS)],
    Inputs = << <<X:32/float-little>> || X <- Rows>>,
    Targets = << <<(X * X):32/float-little>> || X <- Rows>>,
    Lists = [[X] || X <- Rows],
    Program = filename:join(filename:dirname(escript:script_name()), "ways.py"),
    EvolveFun = fun(Activate) ->
                    evolve(fun(Network) -> fitness(Activate(Network)) end,
                           #{inputs => 1, outputs => 1})
                end,
    compare("a task of 100 rows, evaluations a second",
            [{"a dataset, in Rust", evolve({dataset, {1, Inputs}, {1, Targets}}, #{})},
             {"a fun, activate_batch of a binary",
              EvolveFun(fun(N) -> cambrian_network:activate_batch(N, Inputs) end)},
             {"a fun, activate_batch of lists",
              EvolveFun(fun(N) -> cambrian_network:activate_batch(N, Lists) end)},
             {"a fun, activate for each row",
              EvolveFun(fun(N) -> [cambrian_network:activate(N, L) || L <- Lists] end)},
             {"an environment, a step a row", evolve({environment(), []}, #{})},
             {"a program in Python, a step a row",
              evolve({program, #{command => "python3", args => [Program]}}, #{})}]);

%% A network of the size of the headline of bin/bench speed.
part("calls") ->
    Network = network(8, 4, 100, 1000),
    Row = [X / 8 || X <- lists:seq(1, 8)],
    Binary = << <<X:32/float-little>> || X <- Row>>,
    {Rows, Binaries} = {lists:duplicate(1000, Row), binary:copy(Binary, 1000)},
    {Networks, State} = {lists:duplicate(1000, Network), cambrian_network:initial_state(Network)},
    States = lists:duplicate(1000, State),
    Each = fun(Ask) -> fun() -> lists:foreach(fun(_) -> Ask() end, Rows), 1000 end end,
    Once = fun(Ask) -> fun() -> Ask(), 1000 end end,
    compare("1,000 connections, activations a second",
            [{"activate_batch, a binary",
              Once(fun() -> cambrian_network:activate_batch(Network, Binaries) end)},
             {"activate_batch, a list of lists",
              Once(fun() -> cambrian_network:activate_batch(Network, Rows) end)},
             {"activate, a binary", Each(fun() -> cambrian_network:activate(Network, Binary) end)},
             {"activate, a list", Each(fun() -> cambrian_network:activate(Network, Row) end)},
             {"step, a binary", Each(fun() -> cambrian_network:step(Network, State, Binary) end)},
             {"activate_many, 1,000 networks",
              Once(fun() -> cambrian_network:activate_many(Networks, Rows) end)},
             {"step_many, 1,000 networks",
              Once(fun() -> cambrian_network:step_many(Networks, States, Rows) end)}]),
    {Small, Pair} = {network(2, 1, 0, 2), <<1.0:32/float-little, 1.0:32/float-little>>},
    {Smalls, Pairs} = {lists:duplicate(1000, Small), lists:duplicate(1000, [1.0, 1.0])},
    compare("2 connections, activations a second",
            [{"activate_batch, a binary",
              Once(fun() -> cambrian_network:activate_batch(Small, binary:copy(Pair, 1000)) end)},
             {"activate, a binary", Each(fun() -> cambrian_network:activate(Small, Pair) end)},
             {"activate, a list", Each(fun() -> cambrian_network:activate(Small, [1.0, 1.0]) end)},
             {"activate_many, 1,000 networks",
              Once(fun() -> cambrian_network:activate_many(Smalls, Pairs) end)}]);

part("threads") ->
    Options = #{generations => 15, population => 1000, target => 99, seed => 1},
    On = fun(Threads) ->
             fun() ->
                 ok = cambrian_governor:configure(#{threads => Threads}),
                 (evolve(double_pole_novel, Options))()
             end
         end,
    compare("double_pole_novel, 1,000 genotypes, evaluations a second",
            [{"all threads", On(erlang:system_info(schedulers_online))}, {"one thread", On(1)}]);

part("files") ->
    Dir = filename:join(filename:basedir(user_cache, "cambrian"), "ways"),
    ok = application:set_env(cambrian, data_dir, Dir),
    Options = #{generations => 60, target => 99, seed => 1},
    Named = fun(Interval) ->
                evolve(double_pole_novel, Options#{name => ways, resume => false,
                                                   checkpoint_interval => Interval})
            end,
    compare("double_pole_novel, 300 genotypes, evaluations a second",
            [{"without a name", evolve(double_pole_novel, Options)},
             {"a file a second", Named(1000)},
             {"a file in every generation", Named(0)}]),
    ok = file:del_dir_r(Dir).

fitness(Outputs) when is_binary(Outputs) -> fitness([[Y] || <<Y:32/float-little>> <= Outputs]);
fitness(Outputs) -> 1 - fitness(Outputs, 1, 0.0).

fitness([], _, Sum) -> Sum / ?ROWS;
fitness([[Y] | Outputs], X, Sum) -> fitness(Outputs, X + 1, Sum + abs(Y - X / ?ROWS * X / ?ROWS)).

%% Loads a module of its own, because populations cannot call the functions of an escript.
environment() ->
    Parse = fun(Text) ->
                {ok, Tokens, _} = erl_scan:string(Text),
                {ok, Form} = erl_parse:parse_form(Tokens),
                Form
            end,
    Forms = [Parse(Text)
             || Text <- ["-module(ways_environment).", "-export([init/1, reset/2, step/2]).",
                         "init(_) -> {ok, #{inputs => 1, outputs => 1, steps => 100}, none}.",
                         "reset(_, none) -> {[0.01], 1}.",
                         "step([Y], X) ->"
                         "    {[(X + 1) / 100], 0.01 - abs(Y - X / 100 * X / 100) / 100, X + 1}."]],
    {ok, Module, Code} = compile:forms(Forms),
    {module, Module} = code:load_binary(Module, "ways_environment.erl", Code),
    Module.

network(Inputs, Outputs, Hidden, Connections) ->
    {ok, G} = cambrian_genotype:new(#{inputs => Inputs, outputs => Outputs}, 1),
    Wide = grown(G, add_node, fun(#{hidden := H}) -> H >= Hidden end, 1),
    Dense = grown(Wide, add_connection, fun(#{connections := C}) -> C >= Connections end, 1),
    cambrian_network:compile(Dense).

grown(G, Operator, IsEnough, Seed) ->
    case IsEnough(cambrian_genotype:info(G)) of
        true -> G;
        false ->
            {ok, Next} = cambrian_genotype:mutate(G, Operator, Seed),
            grown(Next, Operator, IsEnough, Seed + 1)
    end.

evolve(Task, Options) ->
    fun() ->
        Limited = maps:merge(#{seed => 1, generations => 20}, Options),
        {ok, #{evaluations := Evaluations}} = cambrian:evolve(Task, Limited),
        Evaluations
    end.

%% Runs each way once more at the start, to warm up.
compare(Title, Ways) ->
    _ = [Run() || {_, Run} <- Ways],
    Rounds = [[rate(Run) || {_, Run} <- Ways] || _ <- lists:seq(1, ?ROUNDS)],
    io:format("~n~ts~n  ~-48s ~11s ~14s~n", [Title, "", "a second", "times slower"]),
    lists:foreach(fun({Index, {Name, _}}) ->
                      Rates = [lists:nth(Index, Round) || Round <- Rounds],
                      Ratios = [hd(Round) / lists:nth(Index, Round) || Round <- Rounds],
                      io:format("  ~-48s ~11b ~14.2f~n",
                                [Name, round(median(Rates)), median(Ratios)])
                  end, lists:zip(lists:seq(1, length(Ways)), Ways)).

rate(Run) ->
    {Micros, Count} = timer:tc(Run),
    Count * 1.0e6 / Micros.

median(List) -> lists:nth((length(List) + 1) div 2, lists:sort(List)).
