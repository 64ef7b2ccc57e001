%% @doc Several nodes that evolve one population together. With the option `federation' a population
%% looks for its name on the connected nodes, and joins it there; if it is nowhere, it begins. The
%% same seed gives the same champion as on one node, whichever nodes come and go. See
%% `docs/federation.md'.
%%
%% ```
%% 1> {ok, _} = cambrian_population:start(#{task => 'xor', name => together, seed => 42,
%%                                          federation => #{}}).
%% 2> ok = cambrian_population:run(together).
%% 3> {ok, #{generations := 24, evaluations := 3290}} = cambrian_population:await(together, 60000).
%% 4> #{members := [_]} = cambrian_federation:status(together).
%% 5> ok = cambrian_population:stop(together).
%% '''
-module(cambrian_federation).

-export([status/1]).
-export([members/1, is_member/1, mark/1, mark/2, checkpoint/2, checkpoint/3, node_of/1]).
-export_type([status/0, mark/0]).

-type status() :: #{coordinator := node() | none, epoch := non_neg_integer() | none,
                    members := [node()], voters := [node()], record := non_neg_integer(),
                    coordinators := non_neg_integer(), bytes := non_neg_integer()}.

-type mark() :: #{record := cambrian_record:record(), origin := binary()}.
%% What a checkpoint of a member has beside the population.

-define(CALL_MS, 60_000).
-define(MARK_MS, 5000).

%% @doc The state of a federation, as this member knows it. `epoch' is the number of the present
%% coordinator; `record' is the last record that this member has applied. `coordinators' counts the
%% coordinators that this member has followed since it joined, and `bytes' those of the records that
%% it has applied. A population without the option `federation' is the error `no_federation'.
%%
%% ```
%% 1> {ok, _} = cambrian_population:start(#{task => 'xor', name => alone, federation => #{}}).
%% 2> #{members := [Member], record := 0} = cambrian_federation:status(alone).
%% 3> Member =:= node().
%% true
%% 4> ok = cambrian_population:stop(alone).
%% '''
-spec status(cambrian_population:population()) ->
          status() | {error, no_federation}.
status(Population) ->
    case cambrian_population_client:call(Population, federation, infinity) of
        {error, unknown_call} -> {error, no_federation};
        Status -> Status
    end.

%% @private The connected nodes that are members.
-spec members(Name :: atom()) -> [node()].
members(Name) ->
    Nodes = nodes(),
    Asked = erpc:multicall(Nodes, ?MODULE, is_member, [Name], ?CALL_MS),
    [Node || {Node, {ok, true}} <- lists:zip(Nodes, Asked)].

%% @private Whether this node is a member, with a checkpoint for others.
-spec is_member(Name :: atom()) -> boolean().
is_member(Name) -> mark(Name) =/= none.

%% @private Which federation this node is a member of, and the last record in its last checkpoint.
-spec mark(Name :: atom()) -> mark() | none.
mark(Name) ->
    case saved(Name) of
        none -> none;
        Checkpoint -> maps:with([record, origin], Checkpoint)
    end.

%% @private The same of another node.
-spec mark(node(), Name :: atom()) -> mark() | none.
mark(Node, Name) ->
    try erpc:call(Node, ?MODULE, mark, [Name], ?MARK_MS)
    catch _:_ -> none
    end.

%% @private The last checkpoint of this member, as bytes, for a node that has the same code.
-spec checkpoint(Name :: atom(), cambrian_crew:requirements()) ->
          {ok, mark(), binary()} | {error, {other_member, node(), Reason :: term()}} | none.
checkpoint(Name, Requirements) ->
    case {saved(Name), cambrian_crew:meets(Requirements)} of
        {none, _} -> none;
        {_, {error, Reason}} -> {error, {other_member, node(), Reason}};
        {Checkpoint, ok} ->
            {ok, maps:with([record, origin], Checkpoint), cambrian_store:encode(Checkpoint)}
    end.

saved(Name) ->
    case is_pid(whereis(Name)) andalso whereis(cambrian_store) =/= undefined
        andalso cambrian_store:get(Name) of
        {ok, #{record := _, origin := _} = Checkpoint} -> Checkpoint;
        _ -> none
    end.

%% @private The newest checkpoint of these members, all of which must have the same code as this
%% node.
-spec checkpoint([node()], Name :: atom(), cambrian_crew:requirements()) ->
          {ok, mark(), cambrian_store:checkpoint()} | {error, term()}.
checkpoint(Nodes, Name, Requirements) ->
    Asked = erpc:multicall(Nodes, ?MODULE, checkpoint, [Name, Requirements], ?CALL_MS),
    Refusals = [Error || {ok, {error, _} = Error} <- Asked],
    Found = lists:sort([{Number, Mark, Bytes}
                        || {ok, {ok, #{record := #{number := Number}} = Mark, Bytes}} <- Asked]),
    case {Refusals, Found} of
        {[Refusal | _], _} -> Refusal;
        {[], []} -> {error, no_member_answered};
        {[], _} -> decoded(lists:last(Found), Name)
    end.

decoded({_, Mark, Bytes}, Name) ->
    case cambrian_store:decode(Bytes, atom_to_list(Name)) of
        {ok, Saved} -> {ok, Mark, Saved};
        Error -> Error
    end.

%% @private The node of a member of a log.
-spec node_of(cambrian_record:member()) -> node().
node_of(Member) -> binary_to_atom(hd(binary:split(Member, <<"/">>))).
