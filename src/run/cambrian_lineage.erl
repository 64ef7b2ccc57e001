%% @private
%% Remembers how genotypes came to be: champions that were bred here with their line of fitter parents, and what
%% others signed of theirs. {@link cambrian:lineage/1} walks it.
%%
%% In memory, and on disk as well when the application's `data_dir' is set; the oldest is forgotten first. What others
%% sign has a memory and a log of its own: however much it is, it does not push out what was bred here.
-module(cambrian_lineage).
-behaviour(gen_server).

-export([start_link/0, bred/2, received/2, signed/1, walk/1]).
-export([init/1, handle_call/3, handle_cast/2, terminate/2]).
-export_type([entry/0]).

%% `origin' is `own', the key that signed it, or `unknown' where it was injected by hand; `generation' and `task' are
%% the origin's.
-type entry() :: #{id := cambrian_genotype:id(), parents := [cambrian_genotype:id()], operators := [atom() | binary()],
                   generation := non_neg_integer(), task := binary(), origin := own | unknown | cambrian_identity:key(),
                   %% as claimed, of what others signed
                   fitness => float(), realm => binary(), time => non_neg_integer()}.
-type birth() :: {cambrian_genotype:id(), Parents :: [cambrian_genotype:id()], [Operator :: atom()], Generation :: non_neg_integer()}.

%% Of each kind.
-define(MAX_ENTRIES, 50_000).
%% Others fill their records as they like.
-define(MAX_RECORD, 1024).
%% Bytes of a file, and files.
-define(DISK, {4_194_304, 8}).

-spec start_link() -> {ok, pid()} | {error, term()}.
start_link() -> gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

%% @doc A genotype and its line, the youngest first.
-spec bred(Task :: atom() | binary(), [birth()]) -> ok.
bred(Task, Line) ->
    New = lists:takewhile(fun({Id, _, _, _}) -> not is_own(Id) end, Line),
    remember([{Id, {origin(Birth), text(Task), Birth}} || {Id, _, _, _} = Birth <- lists:reverse(New),
                                                         origin(Birth) =:= own orelse not ets:member(?MODULE, Id)]).

%% Where one came from that was not bred here, others may have said already.
origin({_, [], [injection], _}) -> unknown;
origin(_) -> own.

%% @doc What was signed of a genotype elsewhere.
-spec received(cambrian_genotype:id(), Record :: binary()) -> ok.
received(Id, Record) when byte_size(Record) =< ?MAX_RECORD ->
    remember([{Id, {signed, Record}} || not ets:member(?MODULE, Id)]);
received(_Id, _Record) ->
    ok.

%% @doc What was signed of it.
-spec signed(cambrian_genotype:id()) -> {ok, Record :: binary()} | none.
signed(Id) ->
    try ets:lookup(?MODULE, Id) of
        [{Id, {signed, Record}}] -> {ok, Record};
        _ -> none
    catch error:badarg -> none
    end.

%% That it is being restarted must not take anyone else down.
remember(Entries) ->
    try gen_server:call(?MODULE, {remember, Entries})
    catch exit:_ -> ok
    end.

%% @doc A genotype and all its ancestors that are known, the nearest first; every signature is checked on the way.
-spec walk(cambrian_genotype:id()) ->
          {ok, [entry(), ...]} | {error, unknown | {bad_signature | cycle, cambrian_genotype:id()}}.
walk(Id) ->
    case walk([Id], sets:from_list([Id], [{version, 2}]), []) of
        {ok, []} -> {error, unknown};
        {ok, Entries} -> in_order(Entries);
        Error -> Error
    end.

walk([], _Seen, Entries) ->
    {ok, lists:reverse(Entries)};
walk(Ids, Seen, Entries) ->
    case lists:foldl(fun visit/2, {[], Seen, Entries}, Ids) of
        {Next, Known, More} -> walk(lists:reverse(Next), Known, More);
        Error -> Error
    end.

visit(Id, {Next, Seen, Entries}) ->
    case entry(Id) of
        none -> {Next, Seen, Entries};
        {error, _} = Error -> Error;
        #{parents := Parents} = Entry ->
            New = [Parent || Parent <- Parents, not sets:is_element(Parent, Seen)],
            {lists:reverse(New, Next), lists:foldl(fun sets:add_element/2, Seen, New), [Entry | Entries]}
    end;
visit(_Id, Error) -> Error.

entry(Id) ->
    case ets:lookup(?MODULE, Id) of
        [{Id, {Origin, Task, {Id, Parents, Operators, Generation}}}] ->
            #{id => Id, parents => Parents, operators => Operators, generation => Generation, task => Task,
              origin => Origin};
        [{Id, {signed, Record}}] ->
            case cambrian_envelope:read_record(Record) of
                {ok, #{genotype := Id} = Claims} ->
                    (maps:with([parents, operators, generation, task, origin, fitness, realm, time], Claims))#{id => Id};
                _ -> {error, {bad_signature, Id}}
            end;
        [] -> none
    end.

%% An id is a hash, so whoever names a descendant as a parent lies.
in_order(Entries) ->
    Graph = digraph:new([private]),
    _ = [digraph:add_vertex(Graph, Vertex) || #{id := Id, parents := Parents} <- Entries, Vertex <- [Id | Parents]],
    _ = [digraph:add_edge(Graph, Id, Parent) || #{id := Id, parents := Parents} <- Entries, Parent <- Parents],
    Circles = digraph_utils:cyclic_strong_components(Graph),
    digraph:delete(Graph),
    case Circles of
        [] -> {ok, Entries};
        [[Id | _] | _] -> {error, {cycle, Id}}
    end.

is_own(Id) ->
    case ets:lookup(?MODULE, Id) of
        [{Id, {own, _, _}}] -> true;
        _ -> false
    end.

%%% ---- server -----------------------------------------------------------------------------

%% Of each kind, its log, and how many ids, in the order in which they came.
init([]) ->
    process_flag(trap_exit, true),
    ?MODULE = ets:new(?MODULE, [named_table, protected, {read_concurrency, true}]),
    {ok, maps:from_list([{Kind, load(Kind)} || Kind <- [signed, bred]])}.

load(Kind) ->
    Log = open(Kind),
    {Log, lists:foldl(fun(Entry, Order) -> keep(Kind, Entry, Order) end, {0, queue:new()}, read(Log))}.

handle_call({remember, Entries}, _From, State) ->
    {Signed, Bred} = lists:partition(fun(Entry) -> kind(Entry) =:= signed end, Entries),
    {reply, ok, remember(signed, Signed, remember(bred, Bred, State))}.

remember(_Kind, [], State) -> State;
remember(Kind, Entries, State) ->
    #{Kind := {Log, Order}} = State,
    _ = [disk_log:alog_terms(Log, Entries) || Log =/= none],
    State#{Kind := {Log, lists:foldl(fun(Entry, Kept) -> keep(Kind, Entry, Kept) end, Order, Entries)}}.

handle_cast(_, State) -> {noreply, State}.

terminate(_Reason, State) ->
    _ = [disk_log:close(Log) || {Log, _} <- maps:values(State), Log =/= none],
    ok.

keep(Kind, {Id, _} = Entry, {Count, Queue} = Order) ->
    New = not is_of(Kind, Id),
    true = ets:insert(?MODULE, Entry),
    case New of
        true -> forget_oldest(Kind, {Count + 1, queue:in(Id, Queue)});
        false -> Order
    end.

%% One that was signed elsewhere first, and then found to be bred here, is of the other kind now.
forget_oldest(Kind, {Count, Queue}) when Count > ?MAX_ENTRIES ->
    {{value, Id}, Rest} = queue:out(Queue),
    _ = [ets:delete(?MODULE, Id) || is_of(Kind, Id)],
    {Count - 1, Rest};
forget_oldest(_Kind, Order) -> Order.

is_of(Kind, Id) -> [Kind] =:= lists:map(fun kind/1, ets:lookup(?MODULE, Id)).

kind({_Id, {signed, _}}) -> signed;
kind({_Id, {_Origin, _, _}}) -> bred.

%%% ---- disk -------------------------------------------------------------------------------

open(Kind) ->
    case cambrian_file:in_data_dir([<<"lineage">>, atom_to_binary(Kind)]) of
        none -> none;
        %% a log's name is a list, of bytes where the VM takes names for that
        {ok, Path} -> open(Kind, unicode:characters_to_list(Path, file:native_name_encoding()))
    end.

%% Without its log it still remembers, until the VM ends.
open(Kind, Path) ->
    _ = filelib:ensure_dir(Path),
    Options = [{name, {?MODULE, Kind}}, {file, Path}, {type, wrap}, {size, ?DISK}, {quiet, true}],
    case disk_log:open(Options) of
        {ok, Log} -> Log;
        {repaired, Log, _, _} -> Log;
        {error, Reason} ->
            logger:warning("lineage is not kept on disk: ~tp", [Reason]),
            none
    end.

read(none) -> [];
read(Log) -> read(Log, start).

read(Log, Continuation) ->
    case disk_log:chunk(Log, Continuation) of
        {Next, Terms} -> decoded(Terms) ++ read(Log, Next);
        {Next, Terms, _BadBytes} -> decoded(Terms) ++ read(Log, Next);
        _ -> []
    end.

decoded(Terms) -> [Term || {_, _} = Term <- Terms].

text(Task) when is_atom(Task) -> atom_to_binary(Task);
text(Task) when is_binary(Task) -> Task.
