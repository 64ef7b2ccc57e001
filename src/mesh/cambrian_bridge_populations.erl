%% @private
%% The populations that take part in a bridge, and the populations that it waits for. A missing
%% population takes part as soon as it starts; a crashed population takes part again when it
%% returns.
-module(cambrian_bridge_populations).

-export([new/2, watch_all/1, join/3, update/2, worked/3, gone/3]).
-export([rejoin/3, is_store/2, takes_all/1]).
-export([find/2, all/1, of_task/2, replica/1, names/1, missing/1]).
-export_type([populations/0, population/0]).

%% `rests' and `failing' are from the last report of the population.
-type population() :: #{handle := cambrian_population:population(), name := term(),
                        task := cambrian_exchange_state:task(), monitor := reference(),
                        champion := undefined | cambrian_exchange_state:champion(),
                        rests := boolean(), failing := boolean()}.

-record(populations,
        {realm :: binary(),
         %% whether the bridge holds archives in common with other nodes
         common_archive :: boolean(),
         joined = #{} :: #{Name :: term() => population()},
         %% the monitor of the store that lists all populations, if all take part
         store = none :: none | reference(),
         %% populations that the options name and that do not run
         missing = [] :: [cambrian_population:population()],
         %% the timers for the next look for a missing population
         looking = #{} :: #{Name :: term() => reference()}}).
-opaque populations() :: #populations{}.

%% A crashed population has returned under its name within this time.
-define(REJOIN_MS, 200).

-spec new(Realm :: binary(), CommonArchive :: boolean()) -> populations().
new(Realm, CommonArchive) -> #populations{realm = Realm, common_archive = CommonArchive}.

%% @doc Makes all populations take part: those that run now, and each that starts later, as the
%% store reports.
-spec watch_all(populations()) -> {[pid()], populations()}.
watch_all(Populations) ->
    Watching = Populations#populations{store = monitor(process, cambrian_store)},
    try {maps:values(cambrian_store:watch()), Watching}
    catch exit:_ -> {[], Watching}
    end.

%% @doc Whether this is the monitor of the store.
-spec is_store(reference(), populations()) -> boolean().
is_store(Monitor, #populations{store = Store}) -> Monitor =:= Store.

-spec takes_all(populations()) -> boolean().
takes_all(#populations{store = Store}) -> Store =/= none.

%% @doc Adds a population from now on. Calls `Before' before it asks the population for its best.
-spec join(cambrian_population:population(), Before :: fun((population()) -> term()),
           populations()) ->
          {joined, population(), Best :: {ok, cambrian_population:champion()} | {error, term()},
           populations()}
        | {known | missing, populations()}.
join(Handle, Before, #populations{joined = Joined} = Populations) ->
    Monitor = monitor(process, Handle),
    try
        #{name := Name, task_id := Task, parameters := Parameters} =
            cambrian_population:info(Handle),
        case is_map_key(Name, Joined) orelse varies(Handle, Name, Populations) of
            true ->
                demonitor(Monitor, [flush]),
                {known, Populations};
            false ->
                ok = cambrian_population_client:account(Handle),
                Population = #{handle => Handle, name => Name, task => Task, monitor => Monitor,
                               champion => undefined, rests => true, failing => false},
                ok = warn_of_archive(Name, Parameters, Populations),
                _ = Before(Population),
                Best = cambrian_population:best(Handle),
                {joined, Population, Best, found([Name, Handle], update(Population, Populations))}
        end
    catch
        exit:_ ->
            demonitor(Monitor, [flush]),
            {missing, missed(Handle, look_again(is_atom(Handle), Handle, Populations))}
    end.

%% A fitness that was measured under conditions of the run itself is another one elsewhere: other
%% nodes would take it for a lie.
varies(Handle, Name, #populations{realm = Realm}) ->
    #{varies := Varies} = cambrian_population_client:overview(Handle),
    _ = [logger:warning("cambrian: the population ~tp takes no part in realm ~ts: its environment "
                        "has normalise, fresh_episodes or validation, so its fitness is of its "
                        "own run", [Name, Realm]) || Varies],
    Varies.

%% Warns of a population on which the option common_archive has no effect. A node cannot tell which
%% projection another node uses, so an honest claim about a cell could look false.
warn_of_archive(Name, Parameters, #populations{realm = Realm, common_archive = true}) ->
    Warn = fun(Got, Expected) ->
               logger:warning("cambrian: the population ~tp has no archive to hold in common in "
                              "realm ~ts: its ~ts, expected ~ts", [Name, Realm, Got, Expected])
           end,
    case Parameters of
        #{search := map_elites, projection := none} -> ok;
        #{search := map_elites, projection := Projection} ->
            Warn(["projection is ", atom_to_list(Projection)], "none");
        #{search := Search} -> Warn(["search is ", atom_to_list(Search)], "map_elites")
    end;
warn_of_archive(_Name, _Parameters, _Populations) -> ok.

-spec update(population(), populations()) -> populations().
update(#{name := Name} = Population, #populations{joined = Joined} = Populations) ->
    Populations#populations{joined = Joined#{Name => Population}}.

%% If all populations take part, the store reports when one returns.
look_again(true, Name, #populations{store = none, looking = Looking} = Populations)
  when not is_map_key(Name, Looking) ->
    Timer = erlang:start_timer(?REJOIN_MS, self(), {rejoin, Name}),
    Populations#populations{looking = Looking#{Name => Timer}};
look_again(_, _Name, Populations) -> Populations.

%% @doc The timer of a name has fired. Returns the population to join, if it has returned; `none'
%% for an old timer.
-spec rejoin(Timer :: reference(), Name :: term(), populations()) ->
          {join, cambrian_population:population(), populations()} | {none, populations()}.
rejoin(Timer, Name, #populations{looking = Looking} = Populations) ->
    case Looking of
        #{Name := Timer} ->
            back(Name, Populations#populations{looking = maps:remove(Name, Looking)});
        _ -> {none, Populations}
    end.

%% A population without a registered name has another pid when it returns.
back(Name, Populations) when is_atom(Name) -> {join, Name, Populations};
back(Name, Populations) ->
    case cambrian_store:whereabouts(Name) of
        {alive, Pid} -> {join, Pid, Populations};
        returning -> {none, look_again(true, Name, Populations)};
        gone -> {none, Populations}
    end.

%% Warns once, because the name may be misspelt.
missed(Handle, #populations{realm = Realm, missing = Missing, store = none} = Populations) ->
    _ = [logger:warning("cambrian: the population ~tp does not run; the bridge of realm ~ts "
                        "adds it when it starts", [Handle, Realm])
         || not lists:member(Handle, Missing)],
    Populations#populations{missing = lists:usort([Handle | Missing])};
missed(_Handle, Populations) -> Populations.

found(Handles, #populations{realm = Realm, missing = Missing} = Populations) ->
    _ = [logger:notice("cambrian: the population ~tp runs now, and takes part in realm ~ts",
                       [Handle, Realm])
         || Handle <- lists:usort(Handles), lists:member(Handle, Missing)],
    Populations#populations{missing = Missing -- Handles}.

%% @doc Records the work of a population, and returns the work of all populations of its task.
-spec worked(population(), cambrian_standing:worked(), populations()) ->
          {cambrian_standing:worked(), populations()}.
worked(#{task := Task} = Population, #{work := Work, rests := Rests, failing := Failing},
       Populations) ->
    Next = update(Population#{rests := Rests, failing := Failing}, Populations),
    Same = of_task(Task, Next),
    {#{work => Work, rests => lists:all(fun(#{rests := R}) -> R end, Same),
       failing => lists:any(fun(#{failing := F}) -> F end, Same)}, Next}.

%% @doc Removes the population with this monitor; `is_last' if it was the last of its task.
-spec gone(Monitor :: reference(), Reason :: term(), populations()) ->
          {gone, cambrian_exchange_state:task(), IsLast :: boolean(), populations()} | unknown.
gone(Monitor, Reason, #populations{joined = Joined} = Populations) ->
    case [P || #{monitor := Of} = P <- maps:values(Joined), Of =:= Monitor] of
        [#{name := Name, handle := Handle, task := Task}] ->
            Left = Populations#populations{joined = maps:remove(Name, Joined)},
            Returns = is_atom(Handle) orelse is_crash(Reason),
            Waiting = stopped(Handle, Reason, look_again(Returns, Name, Left)),
            {gone, Task, of_task(Task, Waiting) =:= [], Waiting};
        [] -> unknown
    end.

%% Waits for a stopped population without a warning.
stopped(Name, Reason, #populations{missing = Missing, store = none} = Populations)
  when is_atom(Name) ->
    case is_crash(Reason) of
        true -> Populations;
        false -> Populations#populations{missing = lists:usort([Name | Missing])}
    end;
stopped(_Handle, _Reason, Populations) -> Populations.

is_crash(normal) -> false;
is_crash(shutdown) -> false;
is_crash({shutdown, _}) -> false;
is_crash(_) -> true.

%%% ---- questions --------------------------------------------------------------------------

-spec find(Name :: term(), populations()) -> {ok, population()} | error.
find(Name, #populations{joined = Joined}) -> maps:find(Name, Joined).

-spec all(populations()) -> [population()].
all(#populations{joined = Joined}) -> maps:values(Joined).

%% @doc The replica of a common archive: that of the first population that has an archive without a
%% projection.
-spec replica([cambrian_population:population()]) -> none | cambrian_common_archive:replica().
replica([]) -> none;
replica([Handle | Handles]) ->
    case cambrian_population:archive(Handle) of
        {ok, Archive} ->
            case cambrian_archive:stats(Archive) of
                #{projection := _} -> replica(Handles);
                _ -> cambrian_common_archive:new(Archive)
            end;
        {error, _} -> replica(Handles)
    end.

%% @doc The populations of a task, in the order of their names.
-spec of_task(cambrian_exchange_state:task(), populations()) -> [population()].
of_task(Task, #populations{joined = Joined}) ->
    [P || {_, #{task := Of} = P} <- lists:sort(maps:to_list(Joined)), Of =:= Task].

-spec names(populations()) -> [Name :: term()].
names(#populations{joined = Joined}) -> lists:sort(maps:keys(Joined)).

-spec missing(populations()) -> [cambrian_population:population()].
missing(#populations{missing = Missing}) -> Missing.
