%% @private
%% Stores the checkpoints of every population, so that a crashed population continues from its last
%% checkpoint. The last checkpoint of each population is in memory. If the application's `data_dir'
%% is set, the last few checkpoints of a named population are also files,
%% `populations/NAME/GENERATION.checkpoint', which only this process writes.
-module(cambrian_store).
-behaviour(gen_server).

-export([start_link/0, put/2, amend/2, write/3, get/1, whereabouts/1, lost/0, populations/0,
         watch/0, open/1, forget/1, discard/2, is_discarded/2, files/1, is_origin/2, encode/1,
         decode/2]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).
-export_type([checkpoint/0]).

%% `population' and the champion's genotype are resources; the population process decides the other
%% fields. A checkpoint from a file has exactly the fields of `fields/0'.
-type checkpoint() :: #{population := reference(), generation := non_neg_integer(),
                        champion := undefined | cambrian_population:champion(), atom() => term()}.

-define(MAGIC, <<"cambrian checkpoint 2\n">>).
-define(SUFFIX, <<".checkpoint">>).
%% Below this number no time overflows a float or 64 bits.
-define(MAX_COUNT, (1 bsl 53)).
-define(MAX_TEXT, 4096).
%% A population that does not return within this time is lost. Under a supervisor that lives, it has
%% more time: a loaded or slow machine may need seconds for the restart.
-define(RETURNS_WITHIN_MS, 1000).
-define(SUPERVISED_RETURNS_WITHIN_MS, 30_000).
%% The most pids of dead populations that the store remembers.
-define(MAX_DEAD, 1000).

%% By name: the mark of the start that last discarded checkpoints, the process whose checkpoint is
%% stored with its supervisor, and when that process died.
-record(state, {discarded = #{} :: #{term() => reference()},
                owners = #{} :: #{term() => {pid(), Monitor :: reference(), supervisor()}},
                died = #{} :: #{term() => {AtMs :: integer(), supervisor()}},
                %% the names of dead pids, and the order in which they died
                dead = {#{}, queue:new()} :: {#{pid() => Name :: term()}, queue:queue(pid())},
                watchers = #{} :: #{pid() => reference()}}).

-type supervisor() :: pid() | none.

-spec start_link() -> {ok, pid()} | {error, term()}.
start_link() -> gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

%% @doc Stores the checkpoint in memory. The caller is the population.
-spec put(Name :: term(), checkpoint()) -> ok.
put(Name, Checkpoint) ->
    gen_server:call(?MODULE, {put, Name, Checkpoint, supervisor()}, infinity).

%% The supervisor that started this process, if a supervisor did.
supervisor() ->
    case erlang:get('$ancestors') of
        [Parent | _] when is_atom(Parent) -> supervisor(whereis(Parent));
        [Parent | _] -> supervisor(Parent);
        _ -> none
    end.

supervisor(Parent) when is_pid(Parent), node(Parent) =:= node() ->
    case proc_lib:translate_initial_call(Parent) of
        {supervisor, _, _} -> Parent;
        _ -> none
    end;
supervisor(_) -> none.

%% @doc Changes fields of the checkpoint in memory.
-spec amend(Name :: term(), Changes :: #{atom() => term()}) -> ok | {error, not_found}.
amend(Name, Changes) -> gen_server:call(?MODULE, {amend, Name, Changes}, infinity).

%% @doc Writes the checkpoint to a file, if the population has a name and there is a `data_dir', and
%% deletes all files of that name except the last `Keep'. An error deletes none.
-spec write(Name :: term(), checkpoint(), Keep :: pos_integer()) ->
          ok | {error, cambrian_file:error() | cambrian_data_dir:error()}.
write(Name, Checkpoint, Keep) ->
    gen_server:call(?MODULE, {write, Name, Checkpoint, Keep}, infinity).

%% @doc The last checkpoint of this name, from this VM or an earlier one. Sets a torn file aside,
%% logs that, and reads the file before it.
-spec get(Name :: term()) ->
          {ok, checkpoint()}
        | {error, not_found | {torn_checkpoint | atom(), cambrian_file:path()}
                | {term(), cambrian_file:path()} | cambrian_data_dir:error()}.
get(Name) ->
    case ets:lookup(?MODULE, Name) of
        [{Name, Checkpoint}] -> {ok, Checkpoint};
        [] -> gen_server:call(?MODULE, {read, Name}, infinity)
    end.

%% @doc Finds the population with this name, or the population that once had this pid: after a crash
%% it has another pid. A population that has just crashed is `returning'.
-spec whereabouts(Name :: term() | pid()) -> {alive, pid()} | returning | gone.
whereabouts(Name) ->
    try gen_server:call(?MODULE, {whereabouts, Name}, infinity)
    catch exit:_ -> gone
    end.

%% @doc The names of the populations that crashed and did not return.
-spec lost() -> [Name :: atom()].
lost() -> gen_server:call(?MODULE, lost, infinity).

%% @doc The live populations of this node under any supervisor, by name.
-spec populations() -> #{Name :: term() => pid()}.
populations() -> gen_server:call(?MODULE, populations, infinity).

%% @doc Lists the live populations. Until the caller ends, it also gets
%% `{cambrian_store, population, Name, Pid}' for each population that starts or returns. After a
%% crash the store has no watchers, and knows a population again when that population stores its
%% next checkpoint.
-spec watch() -> #{Name :: term() => pid()}.
watch() -> gen_server:call(?MODULE, watch, infinity).

%% @doc Reads a file.
-spec open(cambrian_file:path()) ->
          {ok, checkpoint()} | {error, not_found | {term(), cambrian_file:path()}}.
open(Path) ->
    case cambrian_file:read(Path, ?MAGIC) of
        {ok, Bytes} -> decode(Bytes, Path);
        {error, {torn_file, Path}} -> {error, {torn_checkpoint, Path}};
        Error -> Error
    end.

%% @doc Drops the checkpoint in memory, and keeps the files.
-spec forget(Name :: term()) -> ok.
forget(Name) -> gen_server:call(?MODULE, {forget, Name}, infinity).

%% @doc Whether the last {@link discard/2} of this name had this mark.
-spec is_discarded(Name :: term(), Once :: reference()) -> boolean().
is_discarded(Name, Once) -> gen_server:call(?MODULE, {is_discarded, Name, Once}, infinity).

%% @doc Drops the checkpoint in memory and deletes the files, and remembers the mark of the start.
-spec discard(Name :: term(), Once :: reference()) ->
          ok | {error, cambrian_file:error() | cambrian_data_dir:error()}.
discard(Name, Once) -> gen_server:call(?MODULE, {discard, Name, Once}, infinity).

init([]) ->
    ?MODULE = ets:new(?MODULE, [named_table, protected, {read_concurrency, true}]),
    {ok, #state{}}.

handle_call({put, Name, Checkpoint, Supervisor}, {Owner, _}, State) ->
    true = ets:insert(?MODULE, {Name, Checkpoint}),
    {reply, ok, owned(Name, Owner, Supervisor, State)};
handle_call({amend, Name, Changes}, _From, State) ->
    case ets:lookup(?MODULE, Name) of
        [{Name, Checkpoint}] ->
            true = ets:insert(?MODULE, {Name, maps:merge(Checkpoint, Changes)}),
            {reply, ok, State};
        [] -> {reply, {error, not_found}, State}
    end;
handle_call({write, Name, Checkpoint, Keep}, _From, State) ->
    {reply, written(Name, Checkpoint, Keep), State};
handle_call({read, Name}, _From, State) ->
    {reply, newest(Name), State};
handle_call({whereabouts, Name}, _From, State) ->
    {reply, whereabouts(Name, State), State};
handle_call(lost, _From, #state{died = Died} = State) ->
    Lost = [Name || {Name, Death} <- lists:sort(maps:to_list(Died)), is_atom(Name),
                    not may_return(Death)],
    {reply, Lost, State};
handle_call(populations, _From, State) ->
    {reply, alive(State), State};
handle_call(watch, {Pid, _}, #state{watchers = Watchers} = State) when is_map_key(Pid, Watchers) ->
    {reply, alive(State), State};
handle_call(watch, {Pid, _}, #state{watchers = Watchers} = State) ->
    {reply, alive(State), State#state{watchers = Watchers#{Pid => monitor(process, Pid)}}};
handle_call({forget, Name}, _From, State) ->
    {reply, ok, forgotten(Name, State)};
handle_call({is_discarded, Name, Once}, _From, #state{discarded = Discarded} = State) ->
    {reply, maps:get(Name, Discarded, none) =:= Once, State};
handle_call({discard, Name, Once}, _From, #state{discarded = Discarded} = State) ->
    case deleted(Name) of
        ok -> {reply, ok, forgotten(Name, State#state{discarded = Discarded#{Name => Once}})};
        Error -> {reply, Error, State}
    end;
handle_call(_, _From, State) ->
    {reply, {error, unknown_call}, State}.

handle_info({'DOWN', Monitor, process, Pid, _}, #state{watchers = Watchers} = State)
  when map_get(Pid, Watchers) =:= Monitor ->
    {noreply, State#state{watchers = maps:remove(Pid, Watchers)}};
handle_info({'DOWN', Monitor, process, Pid, _}, #state{owners = Owners, died = Died} = State) ->
    Deaths = maps:from_list([{Name, {now_ms(), Supervisor}}
                             || {Name, {_, M, Supervisor}} <- maps:to_list(Owners), M =:= Monitor]),
    Names = maps:keys(Deaths),
    Known = lists:foldl(fun(Name, S) -> remember(Pid, Name, S) end, State, Names),
    {noreply, Known#state{owners = maps:without(Names, Owners), died = maps:merge(Died, Deaths)}};
handle_info(_, State) -> {noreply, State}.

is_returning(Name, #state{died = Died}) ->
    ets:member(?MODULE, Name) andalso may_return(maps:get(Name, Died, {now_ms(), none})).

%% A supervisor that has given up is dead, but its own supervisor may restart it.
may_return({At, Supervisor}) ->
    Within = case is_pid(Supervisor) andalso is_process_alive(Supervisor) of
                 true -> ?SUPERVISED_RETURNS_WITHIN_MS;
                 false -> ?RETURNS_WITHIN_MS
             end,
    now_ms() - At < Within.

whereabouts(Pid, #state{dead = {Dead, _}, owners = Owners} = State) when is_pid(Pid) ->
    Live = [Name || {Name, {Owner, _, _}} <- maps:to_list(Owners), Owner =:= Pid],
    case [Name || #{Pid := Name} <- [Dead]] ++ Live of
        [Name | _] -> whereabouts(Name, State);
        [] -> gone
    end;
whereabouts(Name, #state{owners = Owners} = State) ->
    Alive = [Pid || #{Name := {Pid, _, _}} <- [Owners], is_process_alive(Pid)],
    case {Alive, is_returning(Name, State)} of
        {[Pid], _} -> {alive, Pid};
        {[], true} -> returning;
        {[], false} -> gone
    end.

%% Remembers the name of a dead pid, for callers that still use the pid.
remember(Pid, Name, #state{dead = {Dead, Order}} = State) when map_size(Dead) < ?MAX_DEAD ->
    State#state{dead = {Dead#{Pid => Name}, queue:in(Pid, Order)}};
remember(Pid, Name, #state{dead = {Dead, Order}} = State) ->
    {{value, Oldest}, Left} = queue:out(Order),
    remember(Pid, Name, State#state{dead = {maps:remove(Oldest, Dead), Left}}).

alive(#state{owners = Owners}) -> maps:map(fun(_, {Pid, _, _}) -> Pid end, Owners).

owned(Name, Owner, Supervisor, #state{owners = Owners, died = Died, watchers = Watchers} = State) ->
    case Owners of
        #{Name := {Owner, _, _}} -> State;
        _ ->
            _ = [Watcher ! {?MODULE, population, Name, Owner} || Watcher <- maps:keys(Watchers)],
            Owned = {Owner, monitor(process, Owner), Supervisor},
            State#state{owners = Owners#{Name => Owned}, died = maps:remove(Name, Died)}
    end.

forgotten(Name, #state{owners = Owners, died = Died, dead = {Dead, Order}} = State) ->
    true = ets:delete(?MODULE, Name),
    _ = [demonitor(Monitor, [flush]) || #{Name := {_, Monitor, _}} <- [Owners]],
    Left = maps:filter(fun(_, Of) -> Of =/= Name end, Dead),
    State#state{owners = maps:remove(Name, Owners), died = maps:remove(Name, Died),
                dead = {Left, queue:filter(fun(Pid) -> is_map_key(Pid, Left) end, Order)}}.

now_ms() -> erlang:monotonic_time(millisecond).

handle_cast(_, State) -> {noreply, State}.

%%% ---- files ------------------------------------------------------------------------------

%% Another VM can find only a named population.
directory(Name) when is_atom(Name) ->
    cambrian_data_dir:path([<<"populations">>, cambrian_file:name(atom_to_binary(Name))]);
directory(_) -> none.

%% @doc The checkpoints in a population's directory, the newest first: the files whose name is a
%% number. Other files there are not Cambrian's.
-spec files(Dir :: cambrian_file:path()) -> [cambrian_file:path()].
files(Dir) -> numbered(Dir, ?SUFFIX).

numbered(Dir, Suffix) ->
    [File || {ok, Numbered} <- [cambrian_file:numbered(Dir, Suffix)], {_, File} <- Numbered].

written(Name, Checkpoint, Keep) ->
    case directory(Name) of
        none -> ok;
        {ok, Dir} -> written_in(Dir, Checkpoint, Keep);
        Error -> Error
    end.

%% On a full disk, deletes all files except the last, to make room for this file.
written_in(Dir, #{generation := Generation} = Checkpoint, Keep) ->
    Path = filename:join(Dir, cambrian_file:in_number(Generation, ?SUFFIX)),
    Written = cambrian_file:write(Path, ?MAGIC, encode(Checkpoint)),
    Files = [File || File <- files(Dir), filelib:is_regular(File)],
    case {Written, older(Files, 1)} of
        %% the new file may not have the highest number
        {ok, _} -> delete((older(Files, Keep) -- [Path]) ++ begun(Dir));
        {{error, {enospc, _}}, [_ | _] = Older} ->
            case delete(Older) of
                ok -> written_in(Dir, Checkpoint, Keep);
                Error -> Error
            end;
        {Error, _} -> Error
    end.

%% Unfinished files of an earlier VM that was killed while it wrote.
begun(Dir) -> numbered(Dir, <<(?SUFFIX)/binary, ".tmp">>).

older(Files, Keep) when length(Files) > Keep -> lists:nthtail(Keep, Files);
older(_Files, _Keep) -> [].

deleted(Name) ->
    case directory(Name) of
        none -> ok;
        {ok, Dir} -> delete(files(Dir));
        Error -> Error
    end.

delete(Files) ->
    lists:foldl(fun(File, ok) -> cambrian_file:delete(File);
                   (_File, Error) -> Error
                end, ok, Files).

newest(Name) ->
    case directory(Name) of
        none -> {error, not_found};
        {ok, Dir} ->
            case cambrian_file:numbered(Dir, ?SUFFIX) of
                {ok, Numbered} -> newest(Numbered, {error, not_found});
                %% a file has the name of the directory, so there is no checkpoint
                {error, {Reason, _}} when Reason =:= enotdir -> {error, not_found};
                Error -> Error
            end;
        Error -> Error
    end.

newest([], First) -> First;
newest([{Generation, File} | Earlier], First) ->
    case open(File) of
        {ok, #{generation := Generation}} = Found -> Found;
        %% a file with a number that is too high would be the newest file for ever
        {ok, _} -> {error, {malformed, File}};
        {error, {torn_checkpoint, _}} = Error ->
            Aside = cambrian_file:set_aside(File),
            logger:warning("the checkpoint ~ts is torn (~p), going on with the one before it",
                           [File, Aside]),
            newest(Earlier, first(First, Error));
        {error, {Reason, _}} = Error
          when Reason =:= eisdir; Reason =:= not_a_file; Reason =:= eloop ->
            warn_of(File, Reason),
            newest(Earlier, first(First, Error));
        %% a broken link
        {error, not_found} ->
            warn_of(File, enoent),
            newest(Earlier, first(First, {error, {enoent, File}}));
        Error -> Error
    end.

warn_of(File, Reason) ->
    logger:warning("~ts is no checkpoint (~p), going on with the one before it", [File, Reason]).

first({error, not_found}, Error) -> Error;
first(First, _Error) -> First.

%%% ---- the contents of a file -------------------------------------------------------------

%% @doc Encodes the fields of a checkpoint that a file has. A file has no funs, because they belong
%% to this VM, and no newcomers.
-spec encode(checkpoint()) -> binary().
encode(#{population := Population, champion := Champion} = Checkpoint) ->
    Saved = Checkpoint#{population := cambrian_nif:population_encode(Population),
                        champion := map_champion(fun cambrian_genotype:to_binary/1, Champion)},
    term_to_binary(maps:with(maps:keys(fields()), Saved)).

%% @doc Decodes the checkpoint in a file. Checks every field, because any program may have written
%% it.
-spec decode(binary(), cambrian_file:path()) ->
          {ok, checkpoint()} | {error, {term(), cambrian_file:path()}}.
decode(Bytes, Path) ->
    %% loads the atoms of a champion's operators
    _ = cambrian_nif:genotype_births(),
    case cambrian_file:term(Bytes) of
        {ok, #{population := Encoded} = Saved} when is_binary(Encoded) ->
            case cambrian_nif:population_decode(Encoded) of
                %% older files have neither `from' nor `observed'
                {ok, Population} ->
                    Usual = #{from => [], observed => cambrian_statistics:new()},
                    Whole = maps:merge(Usual, Saved#{population := Population}),
                    decoded(maps:with(maps:keys(fields()), Whole), Path);
                {error, Reason} -> {error, {Reason, Path}}
            end;
        _ -> {error, {malformed, Path}}
    end.

decoded(#{population := Population} = Saved, Path) ->
    #{inputs := Inputs, outputs := Outputs, generation := Generation} =
        cambrian_nif:population_info(Population),
    Now = {Generation, Inputs, Outputs},
    IsSound = fun({Name, Check}) -> Check(map_get(Name, Saved), Now) end,
    Sound = map_size(Saved) =:= map_size(fields())
        andalso lists:all(IsSound, maps:to_list(fields())),
    case {Sound, Saved} of
        {true, #{champion := Champion}} ->
            {ok, Saved#{champion := map_champion(fun genotype/1, Champion)}};
        {false, _} -> {error, {malformed, Path}}
    end.

%% The check of each field. It gets the generation, the inputs and the outputs of the population.
fields() ->
    #{population => fun(_, _) -> true end,
      generation => fun(Generation, {Now, _, _}) -> Generation =:= Now end,
      champion => fun is_champion/2,
      validated => fun is_validated/2,
      history => fun(History, {Now, _, _}) -> cambrian_history:is_history(History, Now) end,
      running => fun(Running, _) -> is_boolean(Running) end,
      elapsed => fun(Elapsed, _) -> is_count(Elapsed) end,
      task => fun(Task, _) -> is_text(Task) end,
      text => fun(Text, _) -> is_text(Text) end,
      goal => fun(Goal, _) -> is_goal(Goal) end,
      from => fun(From, _) -> is_ids(From) end,
      observed => fun(Observed, _) -> cambrian_statistics:is_statistics(Observed) end}.

is_ids(Ids) when length(Ids) >= 0 -> lists:all(fun cambrian_options:is_id/1, Ids);
is_ids(_) -> false.

is_champion(undefined, _Now) -> true;
is_champion(#{champion := Bytes, fitness := Fitness, generation := Generation,
              parents := Parents, operators := Operators} = Champion, {Now, _, _} = Population) ->
    is_genotype(Bytes, Population) andalso is_float(Fitness)
        andalso is_count(Generation) andalso Generation =< Now
        andalso is_origin(Parents, Operators) andalso are_sources_beside(5, Champion);
is_champion(_, _Now) -> false.

%% @doc Whether these may be the parents and the operators of a genotype.
-spec is_origin(term(), term()) -> boolean().
is_origin(Parents, Operators) when length(Parents) =< 2, length(Operators) =< 64 ->
    lists:all(fun cambrian_options:is_id/1, Parents)
        andalso lists:all(fun is_atom/1, Operators);
is_origin(_Parents, _Operators) -> false.

is_validated(undefined, _Now) -> true;
is_validated(#{value := Value, generation := Generation, fitness := Fitness,
               genotype := Bytes} = Validated, {Now, _, _} = Population) ->
    is_float(Value) andalso is_float(Fitness) andalso is_count(Generation) andalso Generation =< Now
        andalso is_genotype(Bytes, Population) andalso are_sources_beside(4, Validated);
is_validated(_, _Now) -> false.

%% Whether a map has so many keys beside `sources' and `normalisation', and these are valid: the
%% oldest files lack the first, and most champions the second.
are_sources_beside(Others, #{normalisation := Normalisation} = Map) ->
    cambrian_network:is_normalisation(Normalisation)
        andalso are_sources_beside(Others, maps:remove(normalisation, Map));
are_sources_beside(Others, #{sources := Sources} = Map) ->
    map_size(Map) =:= Others + 1 andalso are_sources(Sources);
are_sources_beside(Others, Map) -> map_size(Map) =:= Others.

are_sources(Sources) when length(Sources) >= 0 -> lists:all(fun is_source/1, Sources);
are_sources(_) -> false.

is_source(#{genotype := Id, keys := Keys} = Source) when map_size(Source) =:= 2 ->
    cambrian_options:is_id(Id) andalso is_ids(Keys);
is_source(_) -> false.

is_genotype(Bytes, {_, Inputs, Outputs}) when is_binary(Bytes) ->
    case cambrian_genotype:from_binary(Bytes) of
        {ok, Genotype} ->
            #{inputs := Is, outputs := Os} = cambrian_genotype:info(Genotype),
            {Is, Os} =:= {Inputs, Outputs};
        {error, _} -> false
    end;
is_genotype(_, _) -> false.

is_count(N) -> is_integer(N) andalso N >= 0 andalso N =< ?MAX_COUNT.

is_text(Text) ->
    is_binary(Text) andalso byte_size(Text) =< ?MAX_TEXT
        andalso is_list(unicode:characters_to_list(Text)).

is_goal(Goal) ->
    is_map(Goal) andalso not is_map_key(until, Goal)
        andalso element(1, cambrian_options:check(Goal, cambrian_goal:table(), <<>>)) =:= ok.

genotype(Bytes) ->
    {ok, Genotype} = cambrian_genotype:from_binary(Bytes),
    Genotype.

map_champion(_, undefined) -> undefined;
%% The oldest files have no `sources'.
map_champion(Change, #{champion := Genotype} = Champion) ->
    maps:merge(#{sources => []}, Champion#{champion := Change(Genotype)}).
