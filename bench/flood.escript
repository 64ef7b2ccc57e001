#!/usr/bin/env escript
%% Measures how much work strangers take from a node. A population and its bridge run in one VM with
%% a stranger that sends prepared envelopes without pause over the transport of Erlang distribution.
%% It prints the table "What strangers cost" of bench/MESH.md: medians over the rounds, each of
%% which begins without a flood. It needs `make build'.
%%
%%   bench/flood.escript [SECONDS ROUNDS]    default 15 3
-mode(compile).
-define(REALM, <<"org.example.flood">>).
-define(READY, 1500).

main([]) -> main(["15", "3"]);
main([Seconds, Rounds]) -> measure(1000 * positive(Seconds), positive(Rounds));
main(_) -> wrong("expected SECONDS and ROUNDS, or nothing").

measure(Ms, Count) ->
    find_code(),
    logger:set_primary_config(level, error),
    {ok, _} = application:ensure_all_started(cambrian),
    {ok, #{champion := Champion, fitness := Fitness}} =
        cambrian:evolve(double_pole_novel, #{seed => 42, generations => 60}),
    io:format("| flood | generations/s without | with | share of evaluation work | sent | measured "
              "| refused as too costly | worst reputation |~n"
              "|---|---|---|---|---|---|---|---|~n"),
    Pole = #{task => double_pole_novel, seed => 4, population => 150, from => Champion,
             target => 1.0e9},
    Stall = #{task => fun stalls/1, inputs => 2, outputs => 1, seed => 4, population => 150,
              evaluation_timeout => 1000, target => 1.0e9,
              params => #{add_node => 0.0, add_connection => 0.0, add_recurrent => 0.0}},
    Own = cambrian_genotype:cost(Champion),
    Bloat = fun(Nodes, N) -> #{genotype => bloated(Champion, Nodes, N), fitness => Fitness} end,
    [row(Name, Options, Sender, Ms, Count)
     || {Name, Options, Sender} <-
            [{"champions with 20,000 idle LTC neurons, one key", Pole,
              fun(N) -> {1, Bloat(20_000, N)} end},
             {"champions of twice their cost, one key", Pole,
              fun(N) -> {1, Bloat(Own div 3, N)} end},
             {"champions of twice their cost, 1,000 keys", Pole,
              fun(N) -> {1 + N rem 1000, Bloat(Own div 3, N)} end},
             {"genotypes that stall for 60 s, one key", Stall,
              fun(N) -> {1, stalling(N)} end},
             {"genotypes that stall for 60 s, 1,000 keys", Stall,
              fun(N) -> {1 + N rem 1000, stalling(N)} end}]].

%% Finds the code of `make build' beside this script, so that no ERL_LIBS is needed.
find_code() ->
    Bench = filename:dirname(filename:absname(escript:script_name())),
    Ebin = filename:join(filename:dirname(Bench), "_build/default/lib/cambrian/ebin"),
    case code:add_patha(Ebin) of
        true -> ok;
        {error, bad_directory} -> wrong("nothing is built: run `make build` first")
    end.

wrong(Why) ->
    io:format(standard_error, "flood.escript: ~ts~n", [Why]),
    halt(2).

positive(Text) ->
    case string:to_integer(Text) of
        {Number, ""} when Number > 0 -> Number;
        _ -> wrong([Text, ": expected a positive integer"])
    end.

row(Name, Options, Sender, Ms, Rounds) ->
    Pairs = [{run(Options, none, Ms), run(Options, Sender, Ms)} || _ <- lists:seq(1, Rounds)],
    Median = fun(Of) -> lists:nth((Rounds + 1) div 2, lists:sort(Of)) end,
    {Calm, Flooded} = lists:unzip(Pairs),
    Rate = fun(Runs) -> Median([maps:get(rate, Run) || Run <- Runs]) end,
    ByRate = lists:sort(fun(A, B) -> maps:get(rate, A) =< maps:get(rate, B) end, Flooded),
    #{work := Work, sent := Sent, measured := Measured, refused := Refused,
      reputation := Reputation} = lists:nth((Rounds + 1) div 2, ByRate),
    io:format("| ~s | ~.1f | ~.1f | ~.1f % | ~b | ~b | ~b | ~.2f |~n",
              [Name, Rate(Calm), Rate(Flooded), 100 * Work, Sent, Measured, Refused, Reputation]).

run(Options, Sender, Ms) ->
    Ready = ready(Sender, cambrian_task:id(maps:get(task, Options))),
    {ok, P} = cambrian_population:start(Options#{name => besieged}),
    {ok, _} = cambrian_population:step(besieged, 1),
    {ok, _} = cambrian_bridge:start(#{realm => ?REALM, populations => [besieged]}),
    ok = cambrian_population_client:account(besieged),
    ok = cambrian_population:run(besieged),
    Stranger = case Ready of [] -> none; _ -> spawn_link(fun() -> send_on(Ready) end) end,
    {ok, #{generation := First}} = cambrian_population:stats(besieged),
    Began = erlang:monotonic_time(millisecond),
    Sums = listen(Began + Ms, #{own => 0, theirs => 0, measured => 0, refused => 0}),
    {ok, #{generation := Last}} = cambrian_population:stats(besieged),
    Took = erlang:monotonic_time(millisecond) - Began,
    Sent = stop(Stranger),
    #{origins := Origins} = cambrian_trust:report(?REALM),
    Worst = lists:min([0.5 | [R || #{reputation := R} <- maps:values(Origins)]]),
    ok = cambrian_bridge:stop(),
    ok = cambrian_population:stop(P),
    application:stop(cambrian),
    {ok, _} = application:ensure_all_started(cambrian),
    flush(),
    #{own := Own, theirs := Theirs} = Sums,
    Sums#{rate => 1000 * (Last - First) / Took, work => Theirs / max(1, Own + Theirs),
          sent => Sent, reputation => Worst}.

listen(Until, #{own := Own, theirs := Theirs, measured := Measured, refused := Refused} = Sums) ->
    receive
        {cambrian, _, {worked, #{work := Work}}} -> listen(Until, Sums#{own := Own + Work});
        {cambrian, _, {received, #{work := Work}}} ->
            listen(Until, Sums#{theirs := Theirs + Work, measured := Measured + 1});
        {cambrian, _, {received, #{outcome := too_costly}}} ->
            listen(Until, Sums#{refused := Refused + 1});
        {cambrian, _, _} -> listen(Until, Sums)
    after max(0, Until - erlang:monotonic_time(millisecond)) -> Sums
    end.

flush() -> receive {cambrian, _, _} -> flush() after 0 -> ok end.

%% Prepares more envelopes than one key may send in the time; a thousand keys may send all of them.
ready(none, _Task) -> [];
ready(Sender, Task) ->
    Now = erlang:system_time(millisecond),
    Sealed = fun(N) ->
                 {Key, #{genotype := Genotype, fitness := Fitness}} = Sender(N),
                 Claims = #{realm => ?REALM, task => Task, fitness => Fitness, generation => 0,
                            sequence => N, time => Now},
                 {ok, Bytes} = cambrian_envelope:seal(Claims, Genotype, <<Key:256>>),
                 Bytes
             end,
    lists:map(Sealed, lists:seq(1, ?READY)).

%% Sends a hundred envelopes a second over a connection of its own, and repeats the last one at the
%% end.
send_on(Ready) ->
    {ok, Connection} = cambrian_transport_dist:connect(#{realm => ?REALM}),
    send_on(Ready, 0, Connection).

send_on([Bytes | Left], Sent, Connection) ->
    receive
        {stop, From} ->
            ok = cambrian_transport_dist:disconnect(Connection),
            From ! {sent, Sent}
    after 10 ->
        ok = cambrian_transport_dist:publish(Connection, <<"genotype">>, Bytes),
        send_on(case Left of [] -> [Bytes]; _ -> Left end, Sent + 1, Connection)
    end.

stop(none) -> 0;
stop(Stranger) ->
    Stranger ! {stop, self()},
    receive {sent, N} -> N end.

%% Adds idle neurons to a champion, which do not change its outputs: liquid neurons if there are
%% many, else plain ones.
bloated(Genotype, Count, Nth) ->
    #{nodes := Nodes, connections := Connections} = Genes = cambrian_genotype:to_map(Genotype),
    #{id := Output} = lists:last(Nodes),
    Idle = [1_000_000 * Nth + N || N <- lists:seq(1, Count)],
    Kind = case Count > 1000 of true -> #{dynamics => ltc, time_constant => 1.0}; false -> #{} end,
    NewNodes = [Kind#{id => Id, layer => 1 bsl 62, activation => tanh} || Id <- Idle],
    NewConnections = [#{from => Id, to => Output, weight => 0.0, enabled => true} || Id <- Idle],
    {ok, Bloated} = cambrian_genotype:from_map(
        Genes#{nodes := Nodes ++ NewNodes, connections := Connections ++ NewConnections}),
    Bloated.

stalls(Network) ->
    case cambrian_network:info(Network) of
        #{connections := Connections} when Connections > 5 -> timer:sleep(60_000), 1.0;
        _ -> 1.0
    end.

stalling(Seed) ->
    {ok, First} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, Seed),
    #{genotype => grown(First, Seed), fitness => 1.0}.

grown(Genotype, Seed) ->
    case cambrian_network:info(cambrian_network:compile(Genotype)) of
        #{connections := Connections} when Connections > 6 -> Genotype;
        _ ->
            {ok, Next} = cambrian_genotype:mutate(Genotype, add_node, Seed),
            grown(Next, Seed + 1)
    end.
