%% @private
%% Keeps the last checkpoint of every population, so that one that dies comes back where it was.
%%
%% In memory, and on disk as well when the application's `data_dir' is set. One writer.
-module(cambrian_store).
-behaviour(gen_server).

-export([start_link/0, put/2, get/1, forget/1, discard/1]).
-export([init/1, handle_call/3, handle_cast/2]).
-export_type([checkpoint/0]).

%% `population' is the resource; everything else is the population process's own.
-type checkpoint() :: #{population := reference(), atom() => term()}.

-define(MAGIC, <<"cambrian checkpoint 1\n">>).

-spec start_link() -> {ok, pid()} | {error, term()}.
start_link() -> gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

-spec put(Key :: term(), checkpoint()) -> ok | {error, term()}.
put(Key, Checkpoint) -> gen_server:call(?MODULE, {put, Key, Checkpoint}, infinity).

%% @doc The last checkpoint under this key, of this VM or of one before it.
-spec get(Key :: term()) -> {ok, checkpoint()} | {error, not_found | term()}.
get(Key) ->
    case ets:lookup(?MODULE, Key) of
        [{Key, Checkpoint}] -> {ok, Checkpoint};
        [] -> read(Key)
    end.

%% @doc Forgets what is in memory; a file stays.
-spec forget(Key :: term()) -> ok.
forget(Key) -> gen_server:call(?MODULE, {forget, Key}).

%% @doc Forgets, and deletes the file.
-spec discard(Key :: term()) -> ok | {error, term()}.
discard(Key) -> gen_server:call(?MODULE, {discard, Key}).

init([]) ->
    ?MODULE = ets:new(?MODULE, [named_table, protected, {read_concurrency, true}]),
    {ok, no_state}.

handle_call({put, Key, Checkpoint}, _From, State) ->
    true = ets:insert(?MODULE, {Key, Checkpoint}),
    {reply, write(Key, Checkpoint), State};
handle_call({forget, Key}, _From, State) ->
    true = ets:delete(?MODULE, Key),
    {reply, ok, State};
handle_call({discard, Key}, _From, State) ->
    true = ets:delete(?MODULE, Key),
    {reply, delete(Key), State}.

handle_cast(_, State) -> {noreply, State}.

%% Only a named population can be found again by another VM.
file_of(Name) when is_atom(Name) ->
    cambrian_file:in_data_dir([[uri_string:quote(atom_to_list(Name)), ".checkpoint"]]);
file_of(_) -> none.

write(Key, #{population := Population} = Checkpoint) ->
    case file_of(Key) of
        none -> ok;
        {ok, Path} ->
            Saved = Checkpoint#{population := cambrian_nif:population_encode(Population)},
            cambrian_file:write(Path, ?MAGIC, term_to_binary(Saved))
    end.

delete(Key) ->
    case file_of(Key) of
        none -> ok;
        {ok, Path} -> cambrian_file:delete(Path)
    end.

read(Key) ->
    case file_of(Key) of
        none -> {error, not_found};
        {ok, Path} ->
            case cambrian_file:read(Path, ?MAGIC) of
                {ok, Bytes} -> decode(Bytes, Path);
                {error, {Reason, _}} when Reason =:= torn_file; Reason =:= other_file -> {error, {torn_checkpoint, Path}};
                Error -> Error
            end
    end.

decode(Bytes, Path) ->
    #{population := Encoded} = Saved = binary_to_term(Bytes, [safe]),
    case cambrian_nif:population_decode(Encoded) of
        {ok, Population} -> {ok, Saved#{population := Population}};
        {error, Reason} -> {error, {Reason, Path}}
    end.
