#!/usr/bin/env escript
%%! -noinput
%% Measures the costs and benefits of a mesh of many nodes, in simulations that repeat to the byte,
%% and the decisions of one node in real time. It needs `rebar3 as test compile'.
%%
%%   bench/mesh.escript [--record] [mesh|islands|flood|decisions ...]
%%
%% prints these parts, or all, and writes them into _build/bench/MESH.md and mesh_islands.svg
%% beside it. With --record it writes into bench instead, where both files are committed. SEEDS=n
%% sets the number of runs of islands (30), NODES=3,30 the sizes of meshes.
-mode(compile).

-define(SECOND, 1000).
-define(MINUTE, 60_000).
-define(MAX_GENERATIONS, 100).
-define(PARTS, [mesh, islands, flood, decisions]).
-define(PAGE, "MESH.md").
-define(PICTURE, "mesh_islands.svg").

main(["--record" | Parts]) -> measure(Parts, "bench");
main(Parts) -> measure(Parts, "_build/bench").

measure(Names, Folder) ->
    Parts = [part(Name) || Name <- Names],
    _ = {sizes(), seeds()},
    Root = filename:dirname(filename:dirname(filename:absname(escript:script_name()))),
    ok = file:set_cwd(Root),
    Ebins = filelib:wildcard("_build/test/lib/cambrian/{ebin,simulation}"),
    length(Ebins) =:= 2 orelse wrong("nothing is built: run `rebar3 as test compile` first"),
    [true] = lists:usort(lists:map(fun code:add_patha/1, Ebins)),
    {ok, _} = application:ensure_all_started(cambrian),
    ok = filelib:ensure_path(Folder),
    lists:foreach(fun(Part) -> write(Folder, unicode:characters_to_binary(text(Part, Folder))) end,
                  case Parts of [] -> ?PARTS; _ -> Parts end).

part(Name) ->
    case [Part || Part <- ?PARTS, atom_to_list(Part) =:= Name] of
        [Part] -> Part;
        [] -> wrong([Name, ": expected --record as the first argument, or the names of parts: ",
                     lists:join(", ", lists:map(fun atom_to_list/1, ?PARTS))])
    end.

sizes() ->
    Sizes = string:lexemes(os:getenv("NODES", "3,30,300,1000"), ","),
    [number("NODES", Size) || Size <- Sizes].

seeds() -> lists:seq(1, number("SEEDS", os:getenv("SEEDS", "30"))).

number(Variable, Text) ->
    case string:to_integer(Text) of
        {Number, ""} when Number > 0 -> Number;
        _ -> wrong([Variable, ": expected positive integers, got ", Text])
    end.

wrong(Why) ->
    io:format(standard_error, "mesh.escript: ~ts~n", [Why]),
    halt(2).

%% Replaces the parts of the page that were measured now, and keeps all others.
write(Folder, Text) ->
    io:put_chars([Text, "\n"]),
    File = filename:join(Folder, ?PAGE),
    Old = case file:read_file(File) of
              {ok, Page} ->
                  [iolist_to_binary(["## ", Known])
                   || Known <- tl(binary:split(Page, <<"\n## ">>, [global]))];
              {error, enoent} -> []
          end,
    New = maps:from_list([{title(Known), string:trim(Known)} || Known <- Old ++ [Text]]),
    Order = [title(<<"## ", Title/binary>>) || Title <- [title_of(P) || P <- ?PARTS]],
    %% Parts that other scripts wrote stay.
    Others = [Title || Known <- Old, Title <- [title(Known)], not lists:member(Title, Order)],
    Parts = [["\n", maps:get(Title, New), "\n"]
             || Title <- Order ++ Others, is_map_key(Title, New)],
    ok = file:write_file(File, [introduction() | Parts]).

title(Text) -> hd(binary:split(Text, <<"\n">>)).

title_of(mesh) -> <<"News and bytes">>;
title_of(islands) -> <<"Islands that share, and islands that do not">>;
title_of(flood) -> <<"A flood">>;
title_of(decisions) -> <<"What one node decides on">>.

introduction() ->
    <<"# What a mesh costs and gives\n\n"
      "`bench/mesh.escript --record` writes this page, or the parts that you name. It simulates "
      "the first three parts in virtual time with everything else real: the exchange, trust, "
      "signatures and populations of every node. The network takes 5 to 80 ms for each message, "
      "evenly drawn. The same seeds give the same figures on any machine, as long as the code is "
      "the same.\n">>.

text(mesh, _) -> meshes();
text(islands, Folder) -> islands(Folder);
text(flood, _) -> floods();
text(decisions, _) -> decisions().

%%% ---- meshes -----------------------------------------------------------------------------

meshes() ->
    ["## News and bytes\n\n"
     "Each node has 20 agents. After a while in which the nodes find each other, the bytes of some "
     "minutes are counted. `published` counts a publication once, as if a relay or a multicast "
     "spread it; over direct links a node sends on average as much as it receives. Then a "
     "population ends with a champion that is better than all others, and the time is taken until "
     "each node has received, verified and measured it.\n\n"
     "| nodes | a generation every | loss | half know it after | 99 % | all "
     "| received, bytes/s a node: mean, most | published: mean, most |\n"
     "|---|---|---|---|---|---|---|---|\n",
     [[mesh(Nodes, 0.0), mesh(Nodes, 0.3), [busy(Nodes) || Nodes =< 30]]
      || Nodes <- sizes()],
     "\n`double_pole_novel`. Once a minute: 10 minutes to find each other, 3 minutes counted. "
     "Once a second: one and two.\n"].

mesh(Nodes, Loss) ->
    io:format(standard_error, "~b nodes, loss ~p~n", [Nodes, Loss]),
    #{rates := Rates, times := Times} =
        cambrian_mesh_figures:mesh(#{seed => 1, nodes => Nodes, task => double_pole_novel,
                                     agents => 20, loss => Loss, generation_ms => ?MINUTE,
                                     warm_ms => 10 * ?MINUTE, duration_ms => 3 * ?MINUTE,
                                     wait_ms => 10 * ?MINUTE}),
    row(Nodes, minute, Loss, [after_ms(Share, Nodes, Times) || Share <- [0.5, 0.99, 1.0]], Rates).

busy(Nodes) ->
    io:format(standard_error, "~b nodes, a generation a second~n", [Nodes]),
    Rates = cambrian_mesh_figures:traffic(#{seed => 1, nodes => Nodes, task => double_pole_novel,
                                            agents => 20, generation_ms => ?SECOND,
                                            warm_ms => ?MINUTE, duration_ms => 2 * ?MINUTE}),
    row(Nodes, second, 0.0, ["", "", ""], Rates).

row(Nodes, Every, Loss, Times, Rates) ->
    cells([integer_to_list(Nodes), atom_to_list(Every), percent(Loss)] ++ Times
              ++ [two(mean_and_most(received, Rates)), two(mean_and_most(uploaded, Rates))]).

after_ms(Share, Nodes, Times) ->
    case ceil(Share * Nodes) of
        N when N =< length(Times) -> io_lib:format("~.2f s", [lists:nth(N, Times) / 1000]);
        _ -> "never"
    end.

mean_and_most(What, Rates) ->
    Values = [maps:get(What, Rate) || Rate <- maps:values(Rates)],
    {lists:sum(Values) / length(Values), lists:max(Values)}.

two({A, B}) -> io_lib:format("~b, ~b", [round(A), round(B)]).

percent(Share) -> io_lib:format("~b %", [round(100 * Share)]).

cells(Cells) -> ["| ", lists:join(" | ", Cells), " |\n"].

%%% ---- islands ----------------------------------------------------------------------------

%% Both kinds of islands run at the same time.
islands(Folder) ->
    Seeds = seeds(),
    [Shared, Alone] = together([fun() -> [island(Seed, Share) || Seed <- Seeds] end
                                || Share <- [true, false]]),
    ok = file:write_file(filename:join(Folder, ?PICTURE), picture(Shared, Alone)),
    ["## Islands that share, and islands that do not\n\n"
     "8 islands of 20 agents each evolve `double_pole_novel`, solved by the task's own trial, "
     "one generation a second at most ",
     io_lib:format("~b, over the seeds 1 to ~b.", [?MAX_GENERATIONS, length(Seeds)]),
     " The table has medians with their quartiles; unsolved runs count as the worst.\n\n"
     "| | generations until one island has solved it | evaluations of all until then "
     "| generations until all have | within the limit |\n"
     "|---|---|---|---|---|\n",
     row("shared", Shared), row("isolated", Alone), "\n![](mesh_islands.svg)\n"].

island(Seed, Share) ->
    Found = cambrian_mesh_figures:islands(#{seed => Seed, islands => 8, agents => 20,
                                            share => Share, task => double_pole_novel,
                                            max_generations => ?MAX_GENERATIONS}),
    io:format(standard_error, "islands ~b ~p: ~p~n", [Seed, Share, Found]),
    Found.

row(Name, Runs) ->
    Quartiles = fun(When, What) -> quartiles([value(When, What, Run) || Run <- Runs]) end,
    {First, All} = {length([1 || #{first := #{}} <- Runs]), length([1 || #{all := #{}} <- Runs])},
    cells([Name, Quartiles(first, generations), Quartiles(first, evaluations),
           Quartiles(all, generations),
           io_lib:format("one island in ~b of ~b runs, all in ~b", [First, length(Runs), All])]).

value(When, What, Run) ->
    case Run of
        #{When := #{What := Value}} -> Value;
        _ -> infinity
    end.

%% In a sorted list `infinity' comes last, because an atom is greater than all numbers.
quartiles(Values) ->
    Sorted = lists:sort(Values),
    At = fun(Share) -> shown(quantile(Share, Sorted)) end,
    [At(0.5), " (", At(0.25), " to ", At(0.75), ")"].

%% By the rule of `quantile.rs'.
quantile(Share, Sorted) ->
    At = Share * (length(Sorted) - 1),
    case {lists:nth(floor(At) + 1, Sorted), lists:nth(ceil(At) + 1, Sorted)} of
        {_, infinity} -> infinity;
        {Low, High} -> Low + (High - Low) * (At - floor(At))
    end.

shown(infinity) -> "never";
shown(Number) -> integer_to_list(round(Number)).

picture(Shared, Alone) ->
    cambrian_chart:chart([line("shared, one island", first, Shared, 1, bold),
                          line("shared, all islands", all, Shared, 1, light),
                          line("isolated, one island", first, Alone, 2, bold),
                          line("isolated, all islands", all, Alone, 2, light)],
                         #{title => <<"Double pole without velocities, 8 islands of 20">>,
                           x_label => <<"generation">>,
                           y_label => <<"runs that solved it, %">>}).

%% Shows the share of the runs that had solved the task by each generation.
line(Name, When, Runs, Group, Weight) ->
    Generations = [value(When, generations, Run) || Run <- Runs],
    #{name => list_to_binary(Name), group => Group, weight => Weight,
      points => [{G, 100 * length([1 || Value <- Generations, Value =< G]) / length(Runs)}
                 || G <- lists:seq(0, ?MAX_GENERATIONS)]}.

together(Funs) ->
    Main = self(),
    Refs = [begin
                Ref = make_ref(),
                spawn_link(fun() -> Main ! {Ref, Fun()} end),
                Ref
            end || Fun <- Funs],
    [receive {Ref, Answer} -> Answer end || Ref <- Refs].

%%% ---- floods -----------------------------------------------------------------------------

floods() ->
    Seeds = [1, 2, 3, 4, 5],
    [Calm, Flooded] = together([fun() -> [flood(Seed, PerSecond) || Seed <- Seeds] end
                                || PerSecond <- [0, 500]]),
    Sum = fun(Runs) -> lists:sum([N || #{measured := N} <- Runs]) end,
    Change = 100 * (Sum(Flooded) - Sum(Calm)) / Sum(Calm),
    io_lib:format("## A flood\n\n7 nodes send one migrant a second each and can measure ten a "
                  "second. An eighth sends 500 new genotypes a second, each with true claims: a "
                  "hundred times the rate of one origin. The table counts the genotypes of the "
                  "seven that the others measured in one minute, over the seeds 1 to ~b:\n\n"
                  "| without it | with it | change |\n|---|---|---|\n| ~b | ~b | ~.1f % |\n",
                  [length(Seeds), Sum(Calm), Sum(Flooded), Change]).

flood(Seed, PerSecond) ->
    cambrian_mesh_figures:flood(#{seed => Seed, nodes => 8, duration_ms => ?MINUTE,
                                  generation_ms => 2 * ?SECOND, task => 'xor',
                                  per_second => PerSecond}).

%%% ---- decisions --------------------------------------------------------------------------

decisions() ->
    Runs = [cambrian_mesh_figures:decisions(#{origins => 200, each => 40}) || _ <- lists:seq(1, 7)],
    Best = fun(What) -> round(lists:max([maps:get(What, Run) || Run <- Runs])) end,
    Capture = [{capture, all_but_first, list}],
    Cpu = [Model || {ok, Text} <- [file:read_file("/proc/cpuinfo")],
                    {match, [Model]} <- [re:run(Text, "model name\\s*: (.*)", Capture)]],
    io_lib:format("## What one node decides on\n\nMeasured in real time, in one Erlang process, "
                  "with 40 messages from each of 200 origins; the best of 7 runs~ts, "
                  "OTP ~ts.\n\n| | a second |\n|---|---|\n"
                  "| envelopes of new genotypes: read, checked by trust, verified, unpacked, "
                  "validated, handed on to be measured, judged | ~b |\n"
                  "| announcements of genotypes that were measured here: verified, and their "
                  "claims compared | ~b |\n"
                  "| envelopes that came before: refused | ~b |\n",
                  [[[" on a ", Model] || Model <- lists:sublist(Cpu, 1)],
                   erlang:system_info(otp_release), Best(new), Best(known), Best(replayed)]).
