%% @doc Joins populations to the mesh, in three lines:
%%
%% ```
%% 1> {ok, _} = cambrian_population:start(#{task => double_pole_novel, name => pole}).
%% 2> {ok, _} = cambrian_bridge:start(#{realm => <<"org.example.lab">>, populations => [pole]}).
%% 3> cambrian_population:run(pole).
%% ok
%% '''
%%
%% A population in the bridge publishes its champion, signed, when the champion is enough better
%% than the last published one. The bridge checks genotypes that other nodes publish for the same
%% task, this node measures them, and the population takes them in if they are good enough. The
%% bridge believes no claims of other nodes. Their reputation shows how true their earlier claims
%% were: see {@link cambrian_trust}.
%%
%% A node has one bridge for each of its realms. A function without a realm acts on all realms. If
%% that is impossible, it acts on the only realm; with several realms it raises
%% `{which_realm, Realms}'. Without a bridge it exits with `noproc', and while the application does
%% not run it raises `{not_started, How}'.
-module(cambrian_bridge).

-export([start_link/1, start/1, stop/0, stop/1, realms/0, join/1, publish_genotype/2,
         publish_charter/1, subscribe_genotypes/2, unsubscribe_genotypes/1, list_nodes/0,
         list_nodes/1, global_best/0, global_best/1, why/1, migrations/0, identity/0, rotate/0,
         status/0, status/1, counts/0]).
-export_type([options/0, peer/0, best/0, story/0, migration/0, status/0]).

-type options() :: #{realm := binary(), transport => module(), transport_options => map(),
                     identity => cambrian_identity:secret() | fun(() -> cambrian_identity:secret())
                               | cambrian_file:path(),
                     populations => all | [cambrian_population:population()], grant => binary(),
                     aliases => #{cambrian_identity:key() | cambrian_identity:name() => binary()},
                     capability => cambrian_realm:capability(),
                     rate => {PerSecond :: number(), Burst :: number()}, tolerance => number(),
                     publish => boolean(), publish_interval => non_neg_integer(),
                     publish_best_fitness_threshold => number(), budget => pos_integer(),
                     evaluation_share => number(), cost_bound => number(),
                     migration_policy => cambrian_population:migration(),
                     migration_interval => pos_integer(),
                     topology => cambrian_members:topology(), common_archive => boolean(),
                     purge => boolean()}.
%% `realm', of at most 255 bytes, is the name that nodes must share to meet; the empty name is a
%% realm too. `populations' are the populations that take part, or `all' of this node. If a named
%% population does not exist yet, the bridge logs its name, shows it in {@link status/0}, and adds
%% the population when it starts.
%%
%% The bridge publishes a champion when its gain over the last published fitness is at least as
%% large as the share `publish_best_fitness_threshold' of the last single improvements (default
%% 0.99: as large as the top 1 % of them; 0 publishes each improvement), and not sooner than
%% `publish_interval' ms (1000) after the last one. The last champion of a run is published if it is
%% better at all. With `publish => false' this node publishes nothing and only takes genotypes in.
%% `migration_policy' (`champion') may be `tournament', `novel' or `random' instead: then the bridge
%% publishes a genotype chosen in this way every `migration_interval' ms (10,000).
%%
%% At most `budget' (8) newcomers at once wait for the node's populations to measure them.
%% `topology' says from which nodes they may come: `all' (default), `ring', `{random, K}' or
%% `{nearest, K}', by round trip.
%%
%% While the populations run, genotypes of other nodes take at most the share `evaluation_share'
%% (0.1) of all evaluation: an origin with an accepted genotype has one such share for itself, and
%% all other keys together have one. A genotype that would cost more than `cost_bound' (8) times the
%% median of a population's own genotypes is not evaluated (`too_costly').
%%
%% With `common_archive => true' (default `false') the nodes of the realm that have this option hold
%% the archive of a task in common: each population with `search => map_elites', and with the same
%% bounds, partition and cells, takes in the elites of the others that beat its own by what is
%% measured here. The task must give the same fitness and behaviour each time and everywhere.
%%
%% A banned genotype leaves the populations, and so does each genotype that carries its genes
%% ({@link cambrian_population:purge/2}). With `purge => false' the populations keep them, and the
%% bridge publishes none of them.
%%
%% `identity' is a secret of 32 bytes; or a fun that returns the secret, which keeps it out of crash
%% reports; or the path of a file, which the bridge makes if it does not exist ({@link
%% cambrian_identity:load_or_new/1}). The default is the file `identity' in the application's
%% `data_dir'; without a `data_dir' the bridge makes a new secret. `capability', `rate' and
%% `tolerance' are options of {@link cambrian_trust:open/2}. `grant' is the permission to publish
%% that other nodes of this realm require ({@link cambrian_identity:grant/4}): for this realm, and
%% for this node's key or one of its predecessors. {@link start/1} and {@link start_link/1} refuse
%% any other grant, and an expired grant.
%%
%% `aliases' are this node's own names for other nodes, or for itself. They map a key, or the name
%% of a key ({@link cambrian_identity:name/1}), to a text of 1 to 64 printable bytes without
%% parentheses. They are shown together with the name, `<<"pole-pi (lusab-bovik)">>', and are never
%% sent.

-type peer() :: #{origin := cambrian_identity:key(), name := binary(), realm := binary(),
                  alive := boolean(), seen := integer(), received := non_neg_integer(),
                  accepted := non_neg_integer(), reputation := float(),
                  address := undefined | binary(), round_trip := undefined | number()}.
%% `name' is the name of its key, after the alias if it has one. `alive' follows from its
%% heartbeats. `seen' is in ms since 1970, and `round_trip' in ms, if it was measured.

-type best() :: #{genotype := cambrian_genotype:genotype(), fitness := float(),
                  origin := cambrian_identity:key(), name := binary()}.
%% `fitness' was measured on this node. `origin' is the breeder, and `name' its name, as in a {@link
%% peer()}.

-type story() :: [#{time := integer(), step := atom(), realm := binary(), atom() => term()}].
%% The steps of a genotype on this node, the first step first; `time' is in ms since 1970. The steps
%% are `announced', `compared' (this node lacks an elite of another node's archive), `asked',
%% `not_delivered', `received', `not_a_source' (the topology takes no genotypes of its origin),
%% `dropped' (too many waited), `offered' (to a population), `busy', `banned' (while it waited or
%% was held), `judged', `published' and `refused'. A step with an `origin' also has its `name'.
%%
%% `judged' has the `task', the `outcome', its breeder's `generation', the fitness `claimed', the
%% measured `fitness' and the `work' of the measurement; or, if it was `too_costly', its `cost', the
%% `median' of the population's own genotypes and the `bound'. `refused' has the `reason' and the
%% other fields of {@link cambrian_trust:refusals/1}.

-type migration() :: #{time := integer(), realm := binary(), genotype := cambrian_genotype:id(),
                       origin := cambrian_identity:key(), name := binary(), task := binary(),
                       generation := non_neg_integer(), claimed := float(), fitness => float(),
                       work => non_neg_integer(), cost => non_neg_integer(),
                       median => non_neg_integer(), bound => number(), outcome := atom()}.
%% The outcome for another node's genotype. Its origin states `claimed' and `generation'. This node
%% measured `fitness', which is absent if the evaluation failed. `outcome', and the fields for its
%% cost, are the same as in {@link cambrian_population:event()}; `time' is in ms since 1970.

-type status() :: #{connected := boolean(), peers := non_neg_integer() | unknown,
                    populations := [Name :: term()],
                    missing := [cambrian_population:population()],
                    trust => fell_back | closed, may_publish => false, atom() => term()}.
%% The transport's report of its connection; the names of the populations that take part; and the
%% names that `populations' lists without a running population (`missing'). `trust' is present if
%% files of the realm are damaged: if it is `closed', the bridge takes nothing in ({@link
%% cambrian_trust:report/1}). `may_publish' is `false' when this node's own `capability' would
%% refuse its key, or when its grant has expired; otherwise it is absent.

%% @doc Starts the bridge of a realm, linked to the caller, for a supervisor of your own.
%%
%% ```
%% 1> {ok, _} = cambrian_bridge:start_link(#{realm => <<"org.example.lab">>}).
%% 2> cambrian_bridge:list_nodes().
%% []
%% 3> ok = cambrian_bridge:stop().
%% 4> cambrian_bridge:start_link(#{}).
%% {error,{missing_options,[realm]}}
%% '''
-spec start_link(options()) -> {ok, pid()} | {error, term()}.
start_link(Options) ->
    case check(Options) of
        {ok, Checked} -> cambrian_bridge_server:start_link(Checked);
        Error -> Error
    end.

check(Options) ->
    case {cambrian_bridge_options:check(Options), cambrian_running:ensure()} of
        {{ok, Checked}, ok} ->
            case cambrian_bridge_options:check_grant(Checked) of
                ok -> {ok, Checked};
                Error -> Error
            end;
        {{ok, _}, Error} -> Error;
        {Error, _} -> Error
    end.

%% @doc Starts the bridge under Cambrian's own supervisor, and starts the application if it does not
%% run.
%%
%% ```
%% 1> {ok, _} = cambrian_bridge:start(#{realm => <<"org.example.lab">>}).
%% 2> cambrian_bridge:realms().
%% [<<"org.example.lab">>]
%% 3> ok = cambrian_bridge:stop().
%% 4> {error, Reason} = cambrian_bridge:start(#{realm => <<"org.example.lab">>,
%%                                              publish_interval => -1}).
%% 5> Reason.
%% {bad_option,{publish_interval,-1,<<"milliseconds">>}}
%% '''
-spec start(options()) -> {ok, pid()} | {error, term()}.
start(Options) ->
    case check(Options) of
        {ok, Checked} -> cambrian_mesh_sup:start_bridge(Checked);
        Error -> Error
    end.

%% @doc Leaves the mesh. The populations continue.
%%
%% ```
%% 1> {ok, _} = cambrian_bridge:start(#{realm => <<"org.example.lab">>}).
%% 2> cambrian_bridge:stop().
%% ok
%% 3> cambrian_bridge:realms().
%% []
%% '''
-spec stop() -> ok.
stop() -> lists:foreach(fun stop/1, some_realms()).

%% @doc Leaves one realm.
%%
%% ```
%% 1> {ok, _} = cambrian_bridge:start(#{realm => <<"org.example.lab">>}).
%% 2> {ok, _} = cambrian_bridge:start(#{realm => <<"org.example.field">>}).
%% 3> cambrian_bridge:stop(<<"org.example.lab">>).
%% ok
%% 4> cambrian_bridge:realms().
%% [<<"org.example.field">>]
%% 5> ok = cambrian_bridge:stop().
%% '''
-spec stop(Realm :: binary()) -> ok.
stop(Realm) ->
    ok = cambrian_running:check(),
    gen_server:stop(name(Realm)).

%% @doc The realms that this node is in.
%%
%% ```
%% 1> cambrian_bridge:realms().
%% []
%% '''
-spec realms() -> [binary()].
realms() -> cambrian_bridge_registry:realms().

%% @doc Adds a population to the bridge. A population with a name joins as soon as it exists, and
%% again when it returns after a crash.
%%
%% ```
%% 1> {ok, _} = cambrian_bridge:start(#{realm => <<"org.example.lab">>}).
%% 2> {ok, P} = cambrian_population:start(#{task => 'xor', seed => 42}).
%% 3> {ok, _} = cambrian_population:step(P, 1).
%% 4> cambrian_bridge:join(P).
%% ok
%% 5> maps:get(published, cambrian_bridge:counts()).
%% 1
%% 6> ok = cambrian_bridge:stop().
%% 7> ok = cambrian_population:stop(P).
%% '''
-spec join(cambrian_population:population()) -> ok.
join(Population) when is_pid(Population); is_atom(Population) ->
    call_all({join, Population}).

%% @doc Publishes a genotype at once, with claims, for a task by its id ({@link
%% cambrian_task:id/1}). With several realms, the claims must name one of them as `realm'.
%% `generation' is 0 by default. There are at most 8 `parents', the fitter first, and 32
%% `operators'.
%%
%% ```
%% 1> {ok, _} = cambrian_bridge:start(#{realm => <<"org.example.lab">>}).
%% 2> {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 7).
%% 3> {ok, Id} = cambrian_bridge:publish_genotype(G, #{task => 'xor', fitness => 2.87}).
%% 4> Id =:= cambrian_genotype:id(G).
%% true
%% 5> cambrian_bridge:publish_genotype(G, #{task => 'xor'}).
%% {error,{missing_options,[fitness]}}
%% 6> ok = cambrian_bridge:stop().
%% '''
-spec publish_genotype(cambrian_genotype:genotype(),
                       #{task := atom() | binary(), fitness := number(),
                         generation => non_neg_integer(), parents => [cambrian_genotype:id()],
                         operators => [atom() | binary()], realm => binary()}) ->
          {ok, cambrian_genotype:id()} | {error, term()}.
publish_genotype(Genotype, Claims) ->
    _ = cambrian_genotype:info(Genotype),
    case cambrian_options:check(Claims, claims_table(), <<"cambrian_bridge:publish_genotype/2">>) of
        {ok, #{task := _, fitness := _} = Checked} ->
            Realm = case Checked of #{realm := Named} -> Named; _ -> only_realm() end,
            call(Realm, {publish, Genotype, maps:remove(realm, Checked)});
        {ok, Checked} -> {error, {missing_options, [task, fitness] -- maps:keys(Checked)}};
        Error -> Error
    end.

claims_table() ->
    #{task => {fun is_task/1, <<"an atom or a binary of at most 255 bytes">>},
      fitness => {fun is_number/1, <<"a number">>},
      generation => {fun(N) -> cambrian_options:is_count(N) andalso N < 1 bsl 64 end,
                     <<"an integer from 0">>, 0},
      parents => {fun(Ids) -> is_list_of(fun cambrian_options:is_id/1, 8, Ids) end,
                  <<"a list of at most 8 ids of 32 bytes">>, []},
      operators => {fun(Names) -> is_list_of(fun is_task/1, 32, Names) end,
                    <<"a list of at most 32 names">>, []},
      realm => {fun is_binary/1, <<"a realm that this node is in">>}}.

%% The guard fails for an improper list.
is_list_of(Is, Max, List) when length(List) =< Max -> lists:all(Is, List);
is_list_of(_Is, _Max, _List) -> false.

is_task(Task) -> is_atom(Task) orelse is_binary(Task) andalso byte_size(Task) =< 255.

%% @doc Publishes a charter ({@link cambrian_charter}) in its realm, if this node adopts it ({@link
%% cambrian_trust:amend/2}). All nodes that adopt it publish it from now on.
%%
%% ```
%% 1> Owner = cambrian_identity:public_key(<<1:256>>).
%% 2> {ok, _} = cambrian_bridge:start(#{realm => <<"org.example.lab">>,
%%                                      capability => {signed_by, Owner}}).
%% 3> {ok, Charter} = cambrian_charter:seal(
%%      #{realm => <<"org.example.lab">>, number => 1, owners => [Owner], revoked => [<<7:256>>]},
%%      <<1:256>>).
%% 4> cambrian_bridge:publish_charter(Charter).
%% ok
%% 5> cambrian_bridge:publish_charter(<<"no charter">>).
%% {error,malformed}
%% 6> ok = cambrian_bridge:stop().
%% '''
-spec publish_charter(binary()) -> ok | {error, term()}.
publish_charter(Charter) when is_binary(Charter) ->
    case cambrian_charter:peek(Charter) of
        {ok, #{realm := Realm}} -> call(Realm, {amend, Charter});
        Error -> Error
    end.

%% @doc Sends `{cambrian_bridge, Ref, #{genotype, task, fitness, generation, origin}}' to a process
%% for every genotype of a task, or of all tasks, that passes every check of its envelope. The
%% fitness is a claim.
%%
%% In this example, a stranger of the same realm sends a genotype without a bridge:
%%
%% ```
%% 1> {ok, _} = cambrian_bridge:start(#{realm => <<"org.example.lab">>}).
%% 2> {ok, Ref} = cambrian_bridge:subscribe_genotypes('xor', self()).
%% 3> {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 7).
%% 4> {ok, Bytes} = cambrian_envelope:seal(
%%      #{realm => <<"org.example.lab">>, task => <<"xor">>, fitness => 2.87, generation => 0,
%%        sequence => 1, time => erlang:system_time(millisecond)}, G, <<1:256>>).
%% 5> {ok, Stranger} = cambrian_transport_dist:connect(#{realm => <<"org.example.lab">>}).
%% 6> ok = cambrian_transport_dist:publish(Stranger, <<"genotype">>, Bytes).
%% 7> receive
%%      {cambrian_bridge, Ref, Message} -> maps:with([task, fitness, generation], Message)
%%    end.
%% #{fitness => 2.87,generation => 0,task => <<"xor">>}
%% 8> ok = cambrian_bridge:stop(), ok = cambrian_transport_dist:disconnect(Stranger).
%% '''
-spec subscribe_genotypes(Task :: atom() | binary() | all, pid()) -> {ok, reference()}.
subscribe_genotypes(Task, Pid) when is_pid(Pid), is_atom(Task) orelse is_binary(Task) ->
    Ref = make_ref(),
    call_all({subscribe, Ref, Task, Pid}),
    {ok, Ref}.

%% @doc Ends a subscription; also `ok' if there is none.
%%
%% ```
%% 1> {ok, _} = cambrian_bridge:start(#{realm => <<"org.example.lab">>}).
%% 2> {ok, Ref} = cambrian_bridge:subscribe_genotypes(all, self()).
%% 3> cambrian_bridge:unsubscribe_genotypes(Ref).
%% ok
%% 4> ok = cambrian_bridge:stop().
%% '''
-spec unsubscribe_genotypes(reference()) -> ok.
unsubscribe_genotypes(Ref) -> call_all({unsubscribe, Ref}).

%% @doc All other nodes whose messages this node has received, at most 20,000 per realm, also those
%% that are silent now. See {@link cambrian_trust:report/1} for more.
%%
%% ```
%% 1> {ok, _} = cambrian_bridge:start(#{realm => <<"org.example.lab">>}).
%% 2> {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 7).
%% 3> {ok, Bytes} = cambrian_envelope:seal(
%%      #{realm => <<"org.example.lab">>, task => <<"xor">>, fitness => 2.87, generation => 0,
%%        sequence => 1, time => erlang:system_time(millisecond)}, G, <<1:256>>).
%% 4> {ok, Stranger} = cambrian_transport_dist:connect(#{realm => <<"org.example.lab">>}).
%% 5> ok = cambrian_transport_dist:publish(Stranger, <<"genotype">>, Bytes).
%% 6> [#{origin := Origin} = Peer] = cambrian_bridge:list_nodes().
%% 7> Origin =:= cambrian_identity:public_key(<<1:256>>).
%% true
%% 8> maps:with([alive, received, accepted], Peer).
%% #{accepted => 0,alive => true,received => 1}
%% 9> ok = cambrian_bridge:stop(), ok = cambrian_transport_dist:disconnect(Stranger).
%% '''
-spec list_nodes() -> [peer()].
list_nodes() -> lists:append([list_nodes(Realm) || Realm <- some_realms()]).

%% @doc The same for one realm.
-spec list_nodes(Realm :: binary()) -> [peer()].
list_nodes(Realm) -> call(Realm, list_nodes).

%% @doc The best genotype of each task that this node has evaluated, from any breeder.
%%
%% ```
%% 1> {ok, P} = cambrian_population:start(#{task => 'xor', seed => 42}).
%% 2> {ok, _} = cambrian_population:step(P, 1).
%% 3> {ok, _} = cambrian_bridge:start(#{realm => <<"org.example.lab">>, populations => [P]}).
%% 4> #{<<"xor">> := #{fitness := Fitness, origin := Origin}} = cambrian_bridge:global_best().
%% 5> {Fitness, Origin =:= cambrian_bridge:identity()}.
%% {2.999837413430214,true}
%% 6> ok = cambrian_bridge:stop().
%% 7> ok = cambrian_population:stop(P).
%% '''
-spec global_best() -> #{Task :: binary() => best()}.
global_best() ->
    Merge = fun(Realm, Best) -> maps:merge_with(fun fitter/3, Best, global_best(Realm)) end,
    lists:foldl(Merge, #{}, some_realms()).

fitter(_Task, #{fitness := A} = Known, #{fitness := B}) when A >= B -> Known;
fitter(_Task, _Known, Better) -> Better.

%% @doc The same for one realm.
-spec global_best(Realm :: binary()) -> #{Task :: binary() => best()}.
global_best(Realm) -> call(Realm, global_best).

%% @doc Explains why a genotype came to this node, or why it did not.
%%
%% ```
%% 1> {ok, _} = cambrian_bridge:start(#{realm => <<"org.example.lab">>}).
%% 2> {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 7).
%% 3> {ok, Bytes} = cambrian_envelope:seal(
%%      #{realm => <<"org.example.lab">>, task => <<"xor">>, fitness => 2.87, generation => 0,
%%        sequence => 1, time => 0}, G, <<1:256>>).
%% 4> {ok, Stranger} = cambrian_transport_dist:connect(#{realm => <<"org.example.lab">>}).
%% 5> ok = cambrian_transport_dist:publish(Stranger, <<"genotype">>, Bytes).
%% 6> [maps:with([step, reason], Step) || Step <- cambrian_bridge:why(cambrian_genotype:id(G))].
%% [#{reason => too_old,step => refused}]
%% 7> ok = cambrian_bridge:stop(), ok = cambrian_transport_dist:disconnect(Stranger).
%% '''
-spec why(cambrian_genotype:id() | cambrian_genotype:genotype()) -> story().
why(<<_:32/binary>> = Id) ->
    in_order([Step#{realm => Realm} || Realm <- some_realms(),
                                       Step <- call(Realm, {story, Id}) ++ refusals(Realm, Id)]);
why(Genotype) -> why(cambrian_genotype:id(Genotype)).

refusals(Realm, Id) ->
    OldestFirst = lists:reverse(cambrian_trust:refusals(Realm)),
    [Refusal#{step => refused} || #{genotype := Of} = Refusal <- OldestFirst, Of =:= Id].

%% @doc The measurements of other nodes' genotypes on this node, with their outcomes: the last
%% thousand, the oldest first. {@link why/1} tells more about each.
%%
%% ```
%% 1> {ok, _} = cambrian_bridge:start(#{realm => <<"org.example.lab">>}).
%% 2> cambrian_bridge:migrations().
%% []
%% 3> ok = cambrian_bridge:stop().
%% '''
-spec migrations() -> [migration()].
migrations() ->
    Judged = [migrations(Realm, Id, Steps)
              || Realm <- some_realms(), {Id, Steps} <- call(Realm, stories)],
    in_order(lists:append(Judged)).

%% Steps of the same ms keep their order.
in_order(Steps) -> lists:sort(fun(#{time := A}, #{time := B}) -> A =< B end, Steps).

migrations(Realm, Id, Steps) ->
    Fields = [time, task, generation, claimed, fitness, outcome, work, cost, median, bound],
    Received = lists:sublist([Step || #{step := received} = Step <- Steps], 1),
    [(maps:with(Fields, Judged))#{realm => Realm, genotype => Id, origin => Origin, name => Name}
     || #{step := judged} = Judged <- Steps, #{origin := Origin, name := Name} <- Received].

%% @doc The public key of this node.
%%
%% ```
%% 1> {ok, _} = cambrian_bridge:start(#{realm => <<"org.example.lab">>, identity => <<1:256>>}).
%% 2> cambrian_bridge:identity() =:= cambrian_identity:public_key(<<1:256>>).
%% true
%% 3> ok = cambrian_bridge:stop().
%% '''
-spec identity() -> cambrian_identity:key().
identity() -> call(only_realm(), identity).

%% @doc Replaces the key of this node: writes a new secret to the identity's file, and tells the
%% other nodes of the realm. They transfer the reputation of the old key to the new key, and accept
%% no new messages of the old key. All bridges of this node must have the same identity in one file,
%% which is the default; otherwise the function raises `{which_realm, Realms}'. Without a file for
%% the new secret, nothing changes.
%%
%% ```
%% 1> {ok, _} = cambrian_bridge:start(#{realm => <<"org.example.lab">>,
%%                                      identity => "/tmp/cambrian_example/rotated"}).
%% 2> Old = cambrian_bridge:identity().
%% 3> {ok, New} = cambrian_bridge:rotate().
%% 4> {New =:= cambrian_bridge:identity(), New =:= Old}.
%% {true,false}
%% 5> ok = cambrian_bridge:stop(), ok = file:delete("/tmp/cambrian_example/rotated").
%% 6> {ok, _} = cambrian_bridge:start(#{realm => <<"org.example.lab">>, identity => <<1:256>>}).
%% 7> cambrian_bridge:rotate().
%% {error,{no_identity_file,[<<"org.example.lab">>]}}
%% 8> ok = cambrian_bridge:stop().
%% '''
-spec rotate() -> {ok, cambrian_identity:key()}
                | {error, {no_identity_file, Realms :: [binary()]} | term()}.
rotate() ->
    [First | Others] = Realms = some_realms(),
    Homes = [{Realm, call(Realm, home)} || Realm <- Realms],
    Keys = lists:usort([call(Realm, identity) || Realm <- Realms]),
    Files = lists:usort([Home || {_, Home} <- Homes]),
    case {Keys, [Realm || {Realm, none} <- Homes], Files} of
        {[_], [], [_]} -> rotated(call(First, rotate), Others);
        {[_], [_ | _] = Homeless, _} -> {error, {no_identity_file, Homeless}};
        _ -> error({which_realm, Realms})
    end.

rotated({ok, #{key := Key} = Identity}, Others) ->
    lists:foreach(fun(Realm) -> ok = call(Realm, {become, Identity}) end, Others),
    {ok, Key};
rotated(Error, _Others) -> Error.

%% @doc The state of the connection, the populations that take part, and the populations that are
%% missing. A connected node may still be alone. In this example the VM has no node name, so that
%% Erlang distribution connects it to no node, and the name of a population was misspelt:
%%
%% ```
%% 1> {ok, _} = cambrian_population:start(#{task => 'xor', name => pole}).
%% 2> {ok, _} = cambrian_bridge:start(#{realm => <<"org.example.lab">>,
%%                                      populations => [pole, poel]}).
%% 3> cambrian_bridge:status().
%% #{connected => false,missing => [poel],peers => 0,populations => [pole]}
%% 4> ok = cambrian_bridge:stop(), ok = cambrian_population:stop(pole).
%% '''
-spec status() -> status().
status() -> status(only_realm()).

%% @doc The same for one realm.
-spec status(Realm :: binary()) -> status().
status(Realm) -> call(Realm, status).

%% @doc The counts of all bridges: messages and bytes `received'; messages that were `rejected', by
%% reason; genotypes `published', and how often a best was `announced' again; the bytes of all
%% published messages; and `not_said', messages dropped because the mesh was too slow. Among the
%% rejected, `metered' exceeded the budget for verifying signatures, `overloaded' arrived while too
%% many waited, and `busy' are calls above their budget.
%%
%% ```
%% 1> {ok, _} = cambrian_bridge:start(#{realm => <<"org.example.lab">>}).
%% 2> {ok, Stranger} = cambrian_transport_dist:connect(#{realm => <<"org.example.lab">>}).
%% 3> ok = cambrian_transport_dist:publish(Stranger, <<"genotype">>, <<"no envelope">>).
%% 4> maps:with([received, bytes_received, {rejected, malformed}], cambrian_bridge:counts()).
%% #{bytes_received => 11,received => 1,{rejected,malformed} => 1}
%% 5> ok = cambrian_bridge:stop(), ok = cambrian_transport_dist:disconnect(Stranger).
%% '''
-spec counts() -> #{atom() | {rejected, atom()} => pos_integer()}.
counts() ->
    Add = fun(_, A, B) -> A + B end,
    Merge = fun(Realm, All) -> maps:merge_with(Add, All, call(Realm, counts)) end,
    lists:foldl(Merge, #{}, some_realms()).

%%% ---- realms -----------------------------------------------------------------------------

name(Realm) -> {via, cambrian_bridge_registry, Realm}.

call_all(Request) -> lists:foreach(fun(Realm) -> ok = call(Realm, Request) end, some_realms()).

%% Calls through the gate, so that the call comes after the messages that arrived before.
call(Realm, Request) ->
    case cambrian_bridge_registry:whereis_name({gate, Realm}) of
        undefined -> cambrian_running:call(name(Realm), Request);
        _ -> cambrian_running:call(name({gate, Realm}), Request)
    end.

some_realms() ->
    case realms() of
        [] -> exit({noproc, ?MODULE});
        Realms -> Realms
    end.

only_realm() ->
    case some_realms() of
        [Realm] -> Realm;
        Realms -> error({which_realm, Realms})
    end.
