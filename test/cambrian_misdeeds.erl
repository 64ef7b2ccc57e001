%% A task whose action depends on the network, and evaluators that run it, for the suites of
%% evaluators.
-module(cambrian_misdeeds).
-export([genotypes/1, key/1, each/2, together/2, start/2, round/2, round/3, stop/1, once/2, once/3,
         bomb/0, hang/0, misdeeds/0, expected_scores/0, logged/1, lines/0, population_at_work/1,
         log/2]).

genotypes(Count) ->
    [begin {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, Seed), G end
     || Seed <- lists:seq(1, Count)].

network(Genotype) -> cambrian_network:compile(Genotype).

key(Network) -> hd(cambrian_network:activate(Network, [1, 0.5])).

%% The action of each network, by its index; a network without an action scores 10 plus its index.
behaviour(Genotypes, Named) ->
    Behaviours = maps:from_list([{key(network(G)), maps:get(I, Named, fun() -> 10 + I end)}
                                 || {I, G} <- lists:zip(lists:seq(1, length(Genotypes)),
                                                        Genotypes)]),
    true = length(Genotypes) =:= map_size(Behaviours),
    fun(Network) -> (maps:get(key(Network), Behaviours))() end.

each(Genotypes, Named) -> {each, behaviour(Genotypes, Named)}.

together(Genotypes, Named) ->
    One = behaviour(Genotypes, Named),
    {together,
     fun(Networks, Mark) -> [begin ok = Mark(I), {I, One(Network)} end || {I, Network} <- Networks]
     end}.

start(How, Options) ->
    Defaults = #{name => test, how => How, timeout => 500, memory => 1 bsl 24, nodes => []},
    {ok, Evaluator} = cambrian_evaluator:start_link(maps:merge(Defaults, Options)),
    Evaluator.

round(Evaluator, Genotypes) -> round(Evaluator, Genotypes, infinity).
round(Evaluator, Genotypes, Limit) ->
    Tag = make_ref(),
    ok = cambrian_evaluator:evaluate(Evaluator, Tag, Genotypes, fun network/1, true, Limit),
    receive {Tag, {ok, Scores, Faults}} -> {Scores, Faults} after 300_000 -> error(no_answer) end.

stop(Evaluator) ->
    unlink(Evaluator),
    Monitor = monitor(process, Evaluator),
    exit(Evaluator, shutdown),
    receive {'DOWN', Monitor, _, _, _} -> ok end.

once(How, Genotypes) -> once(How, Genotypes, #{}).
once(How, Genotypes, Options) ->
    Evaluator = start(How, Options),
    Answer = round(Evaluator, Genotypes),
    ok = stop(Evaluator),
    Answer.

bomb() -> bomb([]).
bomb(List) -> bomb([List | lists:seq(1, 1000)]).

hang() -> receive after infinity -> ok end.

misdeeds() ->
    #{2 => fun() -> error(crash) end,
      3 => fun() -> exit(leave) end,
      5 => fun() -> throw(ball) end,
      7 => fun hang/0,
      8 => fun() -> exit(self(), kill), hang() end,
      9 => fun bomb/0,
      11 => fun() -> rubbish end,
      12 => fun() -> 1 bsl 2000 end,
      13 => fun() -> #{fitness => nan} end,
      14 => fun() -> #{fitness => 1, cases => [1 | 2]} end,
      17 => fun() -> _ = spawn_link(fun() -> exit(child) end), hang() end,
      18 => fun() -> process_flag(trap_exit, true), forever() end,
      19 => fun() -> exit(self(), normal), hang() end,
      21 =>
          fun() ->
              self() ! {evaluate, make_ref(), fun network/1, []},
              self() ! {answer, self(), make_ref(), 1, 99.0, ready}, 31 end,
      22 => fun() -> forge(), 32 end,
      23 => fun() -> _ = spawn_link(fun() -> exit(late) end), process_flag(trap_exit, true), 33 end,
      24 => fun() -> _ = spawn_link(fun hang/0), 34 end,
      25 => fun() -> #{fitness => 35, cases => [1, 2.5]} end}.

forever() -> receive _ -> forever() after 0 -> forever() end.

%% Sends messages that look like results to every linked process.
forge() ->
    {links, Links} = process_info(self(), links),
    _ = [Crew ! {answer, self(), Ref, I, 99.0, ready}
         || Crew <- Links, I <- lists:seq(1, 30), Ref <- [make_ref(), undefined]],
    ok.

expected_scores() ->
    [case I of
         25 -> {35.0, [1.0, 2.5], [], [], 0};
         _ when I =:= 21; I =:= 22; I =:= 23; I =:= 24 -> 10.0 + I;
         _ -> case is_map_key(I, misdeeds()) of true -> failed; false -> 10.0 + I end
     end || I <- lists:seq(1, 30)].

%% The warnings of Cambrian while a fun runs.
logged(Do) ->
    ok = logger:add_handler(?MODULE, ?MODULE, #{level => warning, config => self()}),
    _ = try Do() after logger:remove_handler(?MODULE) end,
    lines().

log(#{msg := {"population" ++ _, _} = Message}, #{config := Pid}) -> Pid ! {line, Message};
log(_, _) -> ok.

lines() -> receive {line, Line} -> [Line | lines()] after 0 -> [] end.

%% A population with tasks that trap exits and never end, and tasks with processes of their own.
population_at_work(Nodes) ->
    Self = self(),
    Fitness = fun(Network) ->
                  Self ! at_work,
                  case round(1000 * key(Network)) rem 3 of
                      0 -> process_flag(trap_exit, true), forever();
                      1 -> _ = spawn_link(fun hang/0), hang();
                      2 -> 1.0
                  end
              end,
    {ok, P} =
        cambrian_population:start_link(#{task => Fitness, inputs => 2, outputs => 1,
                                         population => 30, nodes => Nodes,
                                         evaluation_timeout => 10}),
    unlink(P),
    ok = cambrian_population:run(P),
    _ = [receive at_work -> ok end || _ <- lists:seq(1, rand:uniform(10))],
    P.
