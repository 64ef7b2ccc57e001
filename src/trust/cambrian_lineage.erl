%% @private
%% Remembers the ancestry of genotypes: of champions bred on this node, with their line of fitter
%% parents; and of genotypes that others signed. {@link cambrian:lineage/1} walks it.
%%
%% The two kinds are kept apart. This node knows what it bred, and no signed claim changes that.
%% What others sign are claims: if several keys claim to have bred the same genotype, all claims are
%% kept. A claim that would make a genotype its own ancestor is omitted.
%%
%% The lineage is in memory, and also on disk if the application has a `data_dir'. The oldest
%% entries are forgotten first. No key has more than its share of the claims of others; the key with
%% the most claims loses a claim first.
-module(cambrian_lineage).
-behaviour(gen_server).
-behaviour(cambrian_births).

-export([start_link/0, bred/2, received/2, measured/2, signed/1, walk/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, terminate/2]).
-export_type([entry/0, claim/0]).

%% `origin' is `own', the key that signed, `conflicting' if several keys signed, or `unknown' if a
%% user injected the genotype. `generation' and `task' are the origin's. `circular' are the claimed
%% parents that descend from the genotype, which is impossible: `parents' does not contain them.
%%
%% If several keys signed, `breeders' has all their claims, and `parents' has the parents of all
%% claims; the other fields come from the claim that arrived first. `measured' is the key that had
%% sent the genotype before this node first measured it, if the node knows that key.
-type entry() :: #{id := cambrian_genotype:id(), parents := [cambrian_genotype:id()],
                   operators := [atom() | binary()],
                   generation := non_neg_integer(), task := binary(),
                   origin := own | unknown | conflicting | cambrian_identity:key(),
                   %% as other nodes claim
                   fitness => float(), realm => binary(), time => non_neg_integer(),
                   circular => [cambrian_genotype:id(), ...],
                   breeders => [claim(), ...], measured => cambrian_identity:key()}.
%% The claim of one key out of several, in the order of the claimed times.
-type claim() :: #{origin := cambrian_identity:key(), parents := [cambrian_genotype:id()],
                   operators := [binary()],
                   generation := non_neg_integer(), task := binary(), fitness := float(),
                   realm := binary(),
                   time := non_neg_integer()}.

%% The most entries: bred on this node; signed by others in total, by one key, and of one genotype.
-define(MAX_BRED, 50_000).
-define(MAX_SIGNED, 20_000).
-define(MAX_OF_KEY, 1_000).
-define(MAX_CLAIMS, 8).
%% Other nodes choose the size of their records.
-define(MAX_RECORD, 1024).
%% How many claims one walk verifies.
-define(MAX_CHECKED, 256).
%% After so many bytes, all claims are written again: the log forgets its oldest entries first, even
%% if other keys wrote the newer ones. The log has room for twenty thousand records and these bytes.
-define(WRITE_AGAIN, 8_388_608).

%% The entries of one kind, the oldest first.
-record(bred, {count = 0 :: non_neg_integer(),
               ids = queue:new() :: queue:queue(cambrian_genotype:id())}).
-record(signed, {count = 0 :: non_neg_integer(),
                 of_key = #{} :: #{cambrian_identity:key() =>
                                       {pos_integer(), queue:queue(cambrian_genotype:id())}},
                 counts = gb_sets:new() :: gb_sets:set({pos_integer(), cambrian_identity:key()})}).
-record(log, {log :: cambrian_lineage_log:log(),
              written = 0 :: non_neg_integer(), kept :: #bred{} | #signed{}}).

-spec start_link() -> {ok, pid()} | {error, term()}.
start_link() -> gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

%% @doc Remembers a genotype bred on this node, and its line, the youngest first.
-spec bred(Task :: atom() | binary(), [cambrian_births:birth()]) -> ok.
bred(Task, Line) ->
    New = lists:takewhile(fun({Id, _, _, _}) -> not is_own(Id) end, Line),
    remember([{Id, {origin(Birth), text(Task), Birth}}
              || {Id, _, _, _} = Birth <- lists:reverse(New),
                 origin(Birth) =:= own orelse look_up(Id) =:= []]).

%% A claim of another node may already name the origin of an injected genotype.
origin({_, [], [injection], _}) -> unknown;
origin(_) -> own.

%% @doc Remembers a claim that another node signed.
-spec received(cambrian_genotype:id(), Record :: binary()) -> ok.
received(Id, Record) when byte_size(Record) =< ?MAX_RECORD ->
    remember([{Id, {signed, Record}}
              || {ok, Key} <- [signer(Id, Record)], not lists:keymember(Key, 1, claims(Id))]);
received(_Id, _Record) ->
    ok.

%% @doc Remembers that this key had sent the genotype before this node measured it. Only the first
%% measurement counts.
-spec measured(cambrian_genotype:id(), cambrian_identity:key()) -> ok.
measured(Id, Key) ->
    remember([{Id, {measured, Key}} || claims(Id) =/= [], first_measured(Id) =:= none]).

%% @doc The claim of a genotype, if exactly one key signed it; otherwise the claim of the key that
%% had sent the genotype before this node first measured it.
-spec signed(cambrian_genotype:id()) -> {ok, Record :: binary()} | none.
signed(Id) ->
    case claims(Id) of
        [{_, Record}] -> {ok, Record};
        Claims ->
            hd([{ok, Record} || {Key, Record} <- Claims, Key =:= first_measured(Id)] ++ [none])
    end.

first_measured(Id) ->
    case look_up({measured, Id}) of
        [{_, Key}] -> Key;
        [] -> none
    end.

%% During a restart of this process there is no table. That must not crash the caller.
look_up(Key) ->
    try ets:lookup(?MODULE, Key)
    catch error:badarg -> []
    end.

%% The key that a record names. The signature is not verified.
signer(Id, Record) ->
    case cambrian_envelope:peek_record(Record) of
        {ok, #{genotype := Id, origin := Key}} -> {ok, Key};
        _ -> none
    end.

%% The claims, each with its key, in the order of arrival.
claims(Id) ->
    case look_up({signed, Id}) of
        [{_, Claims}] -> Claims;
        [] -> []
    end.

%% A restart of this process must not crash the caller. The line of the next champion repeats the
%% births that were lost meanwhile, as far back as the line goes.
remember([]) -> ok;
remember(Entries) ->
    try gen_server:call(?MODULE, {remember, Entries})
    catch exit:_ -> ok
    end.

%%% ---- walking ----------------------------------------------------------------------------

%% `checked' counts claims. Edges lead from a child to its parents.
-record(walk,
        {graph :: digraph:graph(), entries = [] :: [entry()], checked = 0 :: non_neg_integer(),
         %% whether the walk began with a genotype bred on this node: then no claim of others can
         %% cause an error
         is_own :: boolean()}).

%% @doc A genotype and all its known ancestors, the nearest first. Verifies the signature of each
%% claim on the way, up to a bound.
-spec walk(cambrian_genotype:id()) ->
          {ok, [entry(), ...]} | {error, unknown | {bad_signature, cambrian_genotype:id()}}.
walk(Id) ->
    ok = cambrian_running:check(),
    Graph = digraph:new([private]),
    try
        _ = digraph:add_vertex(Graph, Id),
        walk([Id], sets:from_list([Id], [{version, 2}]), #walk{graph = Graph, is_own = is_own(Id)})
    of
        #walk{entries = []} -> {error, unknown};
        #walk{entries = Entries} -> {ok, lists:reverse(Entries)};
        Error -> Error
    after digraph:delete(Graph)
    end.

walk([], _Seen, Walk) -> Walk;
walk(Ids, Seen, Walk) ->
    case lists:foldl(fun visit/2, {[], Seen, Walk}, Ids) of
        {Next, Known, More} -> walk(lists:reverse(Next), Known, More);
        Error -> Error
    end.

visit(Id, {Next, Seen, Walk}) ->
    case entry(Id, Walk) of
        {none, Same} -> {Next, Seen, Same};
        {error, _} = Error -> Error;
        {#{parents := Parents} = Entry, #walk{entries = Entries} = Known} ->
            {More, Visited} = lists:foldl(fun to_visit/2, {Next, Seen}, Parents),
            {More, Visited, Known#walk{entries = [Entry | Entries]}}
    end;
visit(_Id, Error) -> Error.

to_visit(Parent, {Next, Seen}) ->
    case sets:is_element(Parent, Seen) of
        true -> {Next, Seen};
        false -> {[Parent | Next], sets:add_element(Parent, Seen)}
    end.

entry(Id, Walk) ->
    case {look_up(Id), claims(Id)} of
        {[{Id, {own, _, _} = Own}], _} ->
            add_own([Id], Walk#walk.graph),
            {own_entry(Own), Walk};
        {[], []} -> {none, Walk};
        {[{Id, Unknown}], []} -> {own_entry(Unknown), Walk};
        {_, Claims} -> signed_entry(Id, Claims, Walk)
    end.

own_entry({Origin, Task, {Id, Parents, Operators, Generation}}) ->
    #{id => Id, parents => Parents, operators => Operators, generation => Generation, task => Task,
      origin => Origin}.

%% Adds all ancestors bred on this node before it uses any claim that names one of them.
add_own([], _Graph) -> ok;
add_own([Id | Ids], Graph) ->
    case look_up(Id) of
        [{Id, {own, _, {Id, Parents, _, _}}}] ->
            Known = digraph:out_degree(Graph, Id) > 0,
            _ = [digraph:add_vertex(Graph, Vertex) || Vertex <- [Id | Parents]],
            _ = [digraph:add_edge(Graph, Id, Parent) || not Known, Parent <- Parents],
            add_own([Parent || not Known, Parent <- Parents] ++ Ids, Graph);
        _ -> add_own(Ids, Graph)
    end.

signed_entry(_Id, _Claims, #walk{checked = Checked} = Walk) when Checked >= ?MAX_CHECKED ->
    {none, Walk};
signed_entry(Id, Claims, #walk{checked = Checked, graph = Graph, is_own = IsOwn} = Walk) ->
    Looked = Walk#walk{checked = Checked + length(Claims)},
    Said = [Claim
            || {_, Record} <- Claims,
               {ok, #{genotype := Of} = Claim} <- [cambrian_envelope:read_record(Record)],
               Of =:= Id],
    case Said of
        [] when IsOwn -> {none, Looked};
        [] -> {error, {bad_signature, Id}};
        _ ->
            Named = distinct(lists:append([Parents || #{parents := Parents} <- Said])),
            ok = add_own(Named, Graph),
            Descendants = digraph_utils:reaching([Id], Graph),
            %% an id is a hash over the parents, so a descendant cannot be a parent
            {Circular, Parents} =
                lists:partition(fun(Parent) -> lists:member(Parent, Descendants) end, Named),
            _ = [digraph:add_vertex(Graph, Vertex) || Vertex <- [Id | Parents]],
            _ = [digraph:add_edge(Graph, Id, Parent) || Parent <- Parents],
            Left = maps:from_list([{circular, Circular} || Circular =/= []]),
            {maps:merge((merge_claims(Id, Said))#{id => Id, parents => Parents}, Left), Looked}
    end.

distinct([]) -> [];
distinct([First | Rest]) -> [First | distinct([Id || Id <- Rest, Id =/= First])].

%% A node that passes a genotype on does not claim to have bred the genotype.
merge_claims(Id, Claims) ->
    case [Claim || #{operators := Operators} = Claim <- Claims, Operators =/= [<<"injection">>]] of
        [] -> claim(hd(Claims));
        [Breeder] -> claim(Breeder);
        Breeders -> conflicting(Id, Breeders)
    end.

conflicting(Id, [First | _] = Claims) ->
    InTime =
        lists:sort(fun(#{time := A}, #{time := B}) -> A =< B end, lists:map(fun claim/1, Claims)),
    Known = [{measured, Key} || Key <- [first_measured(Id)], Key =/= none],
    Entry = maps:with([operators, generation, task], First),
    maps:merge(Entry#{origin => conflicting, breeders => InTime}, maps:from_list(Known)).

claim(Claim) ->
    maps:with([parents, operators, generation, task, origin, fitness, realm, time], Claim).

is_own(Id) ->
    case look_up(Id) of
        [{Id, {own, _, _}}] -> true;
        _ -> false
    end.

%%% ---- server -----------------------------------------------------------------------------

init([]) ->
    process_flag(trap_exit, true),
    ok = cambrian_births:listen(?MODULE),
    ?MODULE = ets:new(?MODULE, [named_table, protected, {read_concurrency, true}]),
    {ok, maps:from_list([{Kind, load(Kind)} || Kind <- [signed, bred]])}.

load(Kind) ->
    {Log, Entries, Damaged} = cambrian_lineage_log:open(Kind),
    Sound = [Entry || Entry <- Entries, is_entry(Kind, Entry)],
    Lost = Damaged + length(Entries) - length(Sound),
    _ = [logger:warning("lineage: ~b entries of the log \"~ts\" are damaged, and left out",
                        [Lost, Kind]) || Lost > 0],
    Empty = case Kind of bred -> #bred{}; signed -> #signed{} end,
    #log{log = Log, kept = lists:foldl(fun keep/2, Empty, Sound)}.

handle_call({remember, Entries}, _From, State) ->
    {Bred, Others} = lists:partition(fun({_, What}) -> tuple_size(What) =:= 3 end, Entries),
    {reply, ok, remember(signed, Others, remember(bred, Bred, State))};
handle_call(_, _From, State) ->
    {reply, {error, unknown_call}, State}.

remember(_Kind, [], State) -> State;
remember(Kind, Entries, State) ->
    #{Kind := #log{kept = Kept} = Log} = State,
    State#{Kind := written(Kind, Entries, Log#log{kept = lists:foldl(fun keep/2, Kept, Entries)})}.

handle_cast(_, State) -> {noreply, State}.

handle_info({disk_log, _Node, Name, {wrap, _}}, State) ->
    ok = cambrian_lineage_log:forbid_others(Name),
    {noreply, State};
handle_info(_, State) -> {noreply, State}.

terminate(_Reason, State) ->
    lists:foreach(fun(#log{log = Log}) -> cambrian_lineage_log:close(Log) end, maps:values(State)).

keep({Id, {signed, Record}}, #signed{} = Kept) ->
    Claims = claims(Id),
    case signer(Id, Record) of
        {ok, Key} when length(Claims) < ?MAX_CLAIMS ->
            case lists:keymember(Key, 1, Claims) of
                true -> Kept;
                false ->
                    true = ets:insert(?MODULE, {{signed, Id}, Claims ++ [{Key, Record}]}),
                    with_room(Key, count_claim(Key, Id, Kept))
            end;
        _ -> Kept
    end;
keep({Id, {measured, Key}}, Kept) ->
    _ = [ets:insert_new(?MODULE, {{measured, Id}, Key}) || claims(Id) =/= []],
    Kept;
keep({Id, _} = Entry, #bred{count = Count, ids = Ids} = Kept) ->
    New = not ets:member(?MODULE, Id),
    true = ets:insert(?MODULE, Entry),
    case New of
        true when Count >= ?MAX_BRED ->
            {{value, Oldest}, Left} = queue:out(Ids),
            true = ets:delete(?MODULE, Oldest),
            Kept#bred{ids = queue:in(Id, Left)};
        true -> Kept#bred{count = Count + 1, ids = queue:in(Id, Ids)};
        false -> Kept
    end.

count_claim(Key, Id, #signed{count = Count, of_key = Of, counts = Counts} = Kept) ->
    {Has, Ids} = maps:get(Key, Of, {0, queue:new()}),
    Kept#signed{count = Count + 1, of_key = Of#{Key => {Has + 1, queue:in(Id, Ids)}},
                counts =
                    gb_sets:add_element({Has + 1, Key}, gb_sets:del_element({Has, Key}, Counts))}.

with_room(Key, #signed{of_key = Of} = Kept) when element(1, map_get(Key, Of)) > ?MAX_OF_KEY ->
    without_oldest(Key, Kept);
with_room(_Key, #signed{count = Count, counts = Counts} = Kept) when Count > ?MAX_SIGNED ->
    without_oldest(element(2, gb_sets:largest(Counts)), Kept);
with_room(_Key, Kept) -> Kept.

without_oldest(Key, #signed{count = Count, of_key = Of, counts = Counts} = Kept) ->
    #{Key := {Has, Ids}} = Of,
    {{value, Id}, Left} = queue:out(Ids),
    case lists:keydelete(Key, 1, claims(Id)) of
        [] ->
            true = ets:delete(?MODULE, {signed, Id}),
            true = ets:delete(?MODULE, {measured, Id});
        Others -> true = ets:insert(?MODULE, {{signed, Id}, Others})
    end,
    Counted = gb_sets:del_element({Has, Key}, Counts),
    case Has of
        1 -> Kept#signed{count = Count - 1, of_key = maps:remove(Key, Of), counts = Counted};
        _ -> Kept#signed{count = Count - 1, of_key = Of#{Key := {Has - 1, Left}},
                         counts = gb_sets:add_element({Has - 1, Key}, Counted)}
    end.

%%% ---- disk -------------------------------------------------------------------------------

written(Kind, Entries, #log{log = Log, written = Before} = Of) ->
    case Before + cambrian_lineage_log:append(Log, Entries) of
        Size when Kind =:= signed, Size > ?WRITE_AGAIN ->
            _ = cambrian_lineage_log:append(Log, all_signed()),
            Of#log{written = 0};
        Size -> Of#log{written = Size}
    end.

%% The claims of each genotype in the order of arrival.
all_signed() ->
    ets:foldl(fun({{signed, Id}, Claims}, All) -> [{Id, {signed, Record}} || {_, Record} <- Claims]
                  ++ measured_of(Id) ++ All;
                 (_, All) -> All
              end, [], ?MODULE).

measured_of(Id) -> [{Id, {measured, Key}} || Key <- [first_measured(Id)], Key =/= none].

%% The hash proves that the entry is unchanged, not that it is valid.
is_entry(signed, {<<_:32/binary>>, {signed, Record}}) ->
    is_binary(Record) andalso byte_size(Record) =< ?MAX_RECORD;
is_entry(signed, {<<_:32/binary>>, {measured, <<_:32/binary>>}}) -> true;
is_entry(bred, {<<_:32/binary>> = Id, {Origin, Task, {Id, Parents, Operators, Generation}}}) ->
    (Origin =:= own orelse Origin =:= unknown) andalso is_binary(Task)
        andalso is_integer(Generation)
        andalso cambrian_store:is_origin(Parents, Operators);
is_entry(_Kind, _Other) -> false.

text(Task) when is_atom(Task) -> atom_to_binary(Task);
text(Task) when is_binary(Task) -> Task.
