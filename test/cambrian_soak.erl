%% The load of bin/soak on a node, and what it measures there. On the node itself: populations
%% that evolve for ever, a bridge and subscribers. On another node: strangers that flood the
%% bridge with all lies of {@link cambrian_liar} and more.
-module(cambrian_soak).
-export([load/1, flood/1, sample/0, work/0, done/0, first_error/0]).
-export([log/2]).

-define(REALM, <<"org.example.soak">>).
-define(TOPIC, <<"genotype">>).
%% A population starts anew after so many generations, so that its memory does not grow with its
%% champions.
-define(GENERATIONS, 60).
-define(STEP_MS, 150).
%% A liar gets new keys after this time.
-define(LIAR_MS, 5_000).
%% Honest strangers have this many keys, since the bridge remembers each for ten minutes.
-define(KEYS, 500).

%%% ---- the node ---------------------------------------------------------------------------

%% @doc Starts all of the load, and returns the address of the dashboard.
-spec load(#{root := file:filename()}) -> {ok, Url :: binary()}.
load(#{root := Root}) ->
    counts([generations, lives, subscribers, questions, errors]),
    ok = logger:add_handler(?MODULE, ?MODULE, #{level => error}),
    remember(),
    {ok, _} = cambrian_bridge:start(#{realm => ?REALM, populations => all}),
    {ok, _} = cambrian_dashboard:start(#{port => 0}),
    forever([fun() -> evolve(Name, Task) end || {Name, Task} <- tasks(Root)]
            ++ [fun subscribe/0, fun question/0]),
    {ok, cambrian_dashboard:url()}.

tasks(Root) ->
    [{soak_xor, #{task => 'xor'}},
     {soak_poles, #{task => double_pole_novel}},
     {soak_dataset,
      #{task => {dataset, [[X / 10] || X <- lists:seq(0, 9)], [[X / 20] || X <- lists:seq(0, 9)]}}},
     {soak_fun,
      #{task =>
            fun(Network) -> [Y] = cambrian_network:activate(Network, [0.5]), 1 - abs(Y - 0.25) end,
        inputs => 1, outputs => 1}},
     {soak_program,
      #{task =>
            {program,
             #{command => "python3",
               args => [filename:join(Root, "test/cambrian_program.py"), "none"]}}}}].

%% Fills the memory of genotypes to its bounds, in memory and on disk, as after hours: growth up
%% to a bound is no leak. 20,000 claims of other keys are kept, 1,000 of one key.
remember() ->
    Id = fun() -> rand:bytes(32) end,
    _ = [ok = cambrian_lineage:bred(<<"xor">>,
                                    [{Id(), [Id()], [add_node], 1} || _ <- lists:seq(1, 1000)])
         || _ <- lists:seq(1, 350)],
    _ = [remember_of(cambrian_identity:new()) || _ <- lists:seq(1, 21)],
    ok.

remember_of(Secret) ->
    Key = cambrian_identity:public_key(Secret),
    _ = [begin
             Genotype = genotype('xor', 1),
             {ok, Envelope, _} = cambrian_envelope:read(envelope('xor', Genotype, 0.0, Secret)),
             ok = cambrian_lineage:received(cambrian_genotype:id(Genotype),
                                            cambrian_envelope:record(Envelope)),
             ok = cambrian_lineage:measured(cambrian_genotype:id(Genotype), Key)
         end || _ <- lists:seq(1, 1000)],
    ok.

%% One life of a population.
evolve(Name, Task) ->
    {ok, P} =
        cambrian_population:start(Task#{name => Name, population => 30, resume => false,
                                        target => 1.0e9}),
    _ = [begin
             {ok, _} = cambrian_population:step(P, 1),
             count(generations),
             timer:sleep(?STEP_MS)
         end || _ <- lists:seq(1, ?GENERATIONS)],
    ok = cambrian_population:stop(P),
    count(lives).

%% Half of the subscribers die without unsubscribing.
subscribe() ->
    {Pid, Monitor} = spawn_monitor(fun() ->
                                       {ok, Genotypes} =
                                           cambrian_bridge:subscribe_genotypes(all, self()),
                                       ok = cambrian_trust:subscribe(?REALM),
                                       _ = [cambrian_population:subscribe(Name)
                                            || {Name, _} <- tasks(""), whereis(Name) =/= undefined],
                                       timer:sleep(200),
                                       rand:uniform(2) =:= 1 andalso
                                           cambrian_bridge:unsubscribe_genotypes(Genotypes)
                                   end),
    receive {'DOWN', Monitor, process, Pid, _} -> count(subscribers) end.

question() ->
    _ = [attempt(fun() -> cambrian_population:Function(Name) end)
         || {Name, _} <- tasks(""), Function <- [stats, history, best, info]],
    _ = [attempt(Ask)
         || Ask <- [fun cambrian_bridge:list_nodes/0, fun cambrian_bridge:global_best/0,
                    fun cambrian_bridge:migrations/0,
                    fun cambrian_bridge:status/0, fun() -> cambrian_trust:report(?REALM) end]],
    count(questions),
    timer:sleep(500).

%% A population may be between two lives.
attempt(Ask) ->
    try Ask()
    catch exit:_ -> none
    end.

%%% ---- strangers --------------------------------------------------------------------------

%% @doc Starts to flood the realm, and to read the dashboard at `url'.
-spec flood(#{url := binary()}) -> ok.
flood(#{url := Url}) ->
    counts([lies, true_small, true_costly, heartbeats, requests, pages, streams, errors]),
    #{port := Port} = uri_string:parse(Url),
    forever([fun liar/0, fun honest/0, fun beat/0, fun ask/0, fun() -> page(Port) end,
             fun() -> stream(Port) end]).

connected(Fun) ->
    {ok, Mesh} = cambrian_transport_dist:connect(#{realm => ?REALM}),
    try Fun(Mesh)
    after cambrian_transport_dist:disconnect(Mesh)
    end.

now_ms() -> os:system_time(millisecond).

%% The lies of {@link cambrian_liar:lies/0}: forged, replayed, truncated, inflated and so on.
liar() ->
    connected(fun(Mesh) ->
                  ok = cambrian_transport_dist:subscribe(Mesh, ?TOPIC),
                  Options =
                      #{realm => ?REALM, secret => crypto:strong_rand_bytes(32),
                        seed => rand:uniform(1 bsl 30),
                        address => cambrian_transport_dist:address(Mesh), task => 'xor',
                        exchange => #{}},
                  {_, Liar} = cambrian_liar:start(Options, now_ms()),
                  lie(now_ms() + ?LIAR_MS, Mesh, Liar)
              end).

lie(Until, Mesh, Liar) ->
    case now_ms() < Until of
        true ->
            {Effects, Lied} = cambrian_liar:generation(now_ms(), Liar),
            _ = [publish(lies, Mesh, Bytes) || {publish, Bytes} <- Effects],
            lie(Until, Mesh, listened(Lied));
        false -> ok
    end.

%% Messages that the liar can forge and send again.
listened(Liar) ->
    receive {cambrian_transport, _, Bytes} ->
            listened(element(2, cambrian_liar:heard(Bytes, now_ms(), Liar)))
    after 50 -> Liar
    end.

publish(What, Mesh, Bytes) ->
    _ = cambrian_transport_dist:publish(Mesh, ?TOPIC, Bytes),
    count(What).

%% Honest genotypes: small ones, and some of the largest size.
honest() ->
    connected(fun(Mesh) ->
                  _ = [begin
                           publish(true_small, Mesh, envelope('xor', genotype('xor', 1))),
                           timer:sleep(50)
                       end || _ <- lists:seq(1, 40)],
                  publish(true_costly, Mesh,
                          envelope(double_pole_novel, genotype(double_pole_novel, 300)))
              end).

genotype(Task, Mutations) ->
    #{inputs := Inputs, outputs := Outputs} = cambrian_colony:shape(Task),
    {ok, New} =
        cambrian_genotype:new(#{inputs => Inputs, outputs => Outputs}, rand:uniform(1 bsl 30)),
    lists:foldl(fun(N, Genotype) ->
                    case cambrian_genotype:mutate(Genotype,
                                                  lists:nth(1 + N rem 2,
                                                            [add_node, add_connection]),
                                                  N) of
                        {ok, Mutated} -> Mutated;
                        {error, _} -> Genotype
                    end
                end, New, lists:seq(1, Mutations)).

envelope(Task, Genotype) ->
    Secret = crypto:hash(sha256, <<"soak", (rand:uniform(?KEYS)):32>>),
    envelope(Task, Genotype, cambrian_colony:measure(Genotype, Task), Secret).

envelope(Task, Genotype, Fitness, Secret) ->
    Claims =
        #{realm => ?REALM, task => atom_to_binary(Task), generation => 1,
          sequence => os:system_time(microsecond),
          time => now_ms(), fitness => Fitness},
    {ok, Bytes} = cambrian_envelope:seal(Claims, Genotype, Secret),
    Bytes.

beat() ->
    connected(fun(Mesh) ->
                  _ = [begin
                           Identity = cambrian_identity:from_secret(crypto:strong_rand_bytes(32)),
                           publish(heartbeats, Mesh,
                                   cambrian_message:heartbeat(?REALM, <<"nowhere">>,
                                                              {now_ms(), 5000}, Identity)),
                           timer:sleep(50)
                       end || _ <- lists:seq(1, 100)]
              end).

%% Asks the bridge for genotypes that it has and for others.
ask() ->
    connected(fun(Mesh) ->
                  ok = cambrian_transport_dist:subscribe(Mesh, ?TOPIC),
                  _ = [request(Mesh) || _ <- lists:seq(1, 100)]
              end).

request(Mesh) ->
    receive
        {cambrian_transport, _, Bytes} ->
            case cambrian_message:kind(Bytes) of
                {announcement, _, Record, Address} ->
                    request(cambrian_envelope:peek_record(Record), Address, Mesh);
                _ -> ok
            end
    after 1000 -> ok
    end.

request({ok, #{genotype := Id}}, Address, Mesh) ->
    _ = [cambrian_transport_dist:call(Mesh, Address, ?TOPIC, cambrian_message:request(Wanted, []),
                                      5000)
         || Wanted <- [Id, crypto:strong_rand_bytes(32)]],
    count(requests);
%% an address of a liar
request({error, _}, _Address, _Mesh) -> ok.

%%% ---- browsers ---------------------------------------------------------------------------

page(Port) ->
    _ = [begin
             _ = http(Port, Path, fun(Socket) -> whole(Socket) end),
             count(pages),
             timer:sleep(100)
         end || Path <- ["/", "/metrics", "/health", "/dashboard.js", "/nothing"]],
    ok.

%% A browser that disconnects in the middle.
stream(Port) ->
    _ = http(Port, "/events",
             fun(Socket) -> [gen_tcp:recv(Socket, 0, 2000) || _ <- lists:seq(1, rand:uniform(5))]
             end),
    count(streams),
    timer:sleep(500).

http(Port, Path, Read) ->
    {ok, Socket} = gen_tcp:connect({127, 0, 0, 1}, Port, [binary, {active, false}]),
    try
        ok = gen_tcp:send(Socket,
                          ["GET ", Path, " HTTP/1.1\r\nhost: localhost:", integer_to_list(Port),
                           "\r\nconnection: close\r\n\r\n"]),
        Read(Socket)
    after gen_tcp:close(Socket)
    end.

whole(Socket) ->
    case gen_tcp:recv(Socket, 0, 30_000) of
        {ok, _} -> whole(Socket);
        {error, _} -> ok
    end.

%%% ---- measurements ------------------------------------------------------------------------

%% @doc What this node uses now, in bytes except for counts; `longest queue' is that of any
%% process. Garbage is left out, since the moment of its collection is no trend.
-spec sample() -> [{What :: atom(), number()}].
sample() ->
    _ = [garbage_collect(Pid) || Pid <- processes()],
    Memory = erlang:memory(),
    Queue =
        fun(Pid) -> case process_info(Pid, message_queue_len) of {_, N} -> N; undefined -> 0 end
        end,
    [{resident, resident()}
     | [{What, proplists:get_value(What, Memory)} || What <- [total, processes, binary, ets, atom]]]
        ++ [{atoms, erlang:system_info(atom_count)},
            {'number of processes', erlang:system_info(process_count)},
            {ports, erlang:system_info(port_count)}, {descriptors, descriptors()},
            {'queues of named processes',
             lists:sum([Queue(Pid) || Name <- registered(), Pid <- [whereis(Name)], is_pid(Pid)])},
            {'longest queue', lists:max([Queue(Pid) || Pid <- processes()])}].

resident() ->
    case file:read_file("/proc/self/statm") of
        {ok, Text} -> 4096 * binary_to_integer(lists:nth(2, binary:split(Text, <<" ">>, [global])));
        {error, _} -> 0
    end.

descriptors() ->
    case file:list_dir("/proc/self/fd") of
        {ok, Names} -> length(Names);
        {error, _} -> 0
    end.

%% @doc How much the bridge has done so far, and what it refused by reason.
-spec work() -> [{What :: term(), non_neg_integer()}].
work() ->
    #{refused := Refused} = cambrian_trust:report(?REALM),
    lists:sort([{What, N} || {What, N} <- maps:to_list(cambrian_bridge:counts()), is_atom(What)]) ++
        lists:sort(maps:to_list(Refused)).

%% @doc The load so far: a count of 0 means that it was not tried.
-spec done() -> [{What :: atom(), non_neg_integer()}].
done() ->
    {Names, Counters} = persistent_term:get(?MODULE),
    [{Name, counters:get(Counters, Index)} || {Name, Index} <- lists:sort(maps:to_list(Names))].

counts(Names) ->
    persistent_term:put(?MODULE,
                        {maps:from_list(lists:zip(Names, lists:seq(1, length(Names)))),
                         counters:new(length(Names), [])}).

count(Name) ->
    {#{Name := Index}, Counters} = persistent_term:get(?MODULE),
    counters:add(Counters, Index, 1).

%% Runs each fun over and over in a process of its own. A crash is counted, and the fun runs
%% again.
forever(Funs) ->
    _ = [spawn(fun() -> again(Fun) end) || Fun <- Funs],
    ok.

again(Fun) ->
    try Fun()
    catch Class:Reason:Stack ->
        failed(io_lib:format("~p", [{Class, Reason, Stack}])),
        timer:sleep(1000)
    end,
    again(Fun).

%% Only the first failure is printed.
failed(Text) ->
    count(errors),
    is_list(persistent_term:get({?MODULE, error}, none)) orelse
        persistent_term:put({?MODULE, error}, lists:flatten(Text)).

-spec first_error() -> string() | none.
first_error() -> persistent_term:get({?MODULE, error}, none).

%% @doc A logger handler: every error that the node itself logs.
log(Event, _) -> failed(logger_formatter:format(Event, #{single_line => true, max_size => 2000})).
