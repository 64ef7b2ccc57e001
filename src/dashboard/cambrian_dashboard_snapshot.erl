%% @private
%% Takes a snapshot of this node: it asks the populations, the governor, the mesh and its trust.
%%
%% A population that does not answer in time is shown as silent. The size of a snapshot is limited.
-module(cambrian_dashboard_snapshot).

-export([all/0, populations/0]).
-export_type([snapshot/0, population/0, mesh/0]).

-type snapshot() :: #{at := integer(), populations := [population()],
                      unshown := non_neg_integer(), lost := [atom()],
                      governor := cambrian_governor:status() | none, mesh := mesh() | none}.
%% An answer of {@link cambrian_population_client:overview/1}, with `federation' if it has one; or
%% only the name of a population that did not answer.
-type population() :: #{text := binary(), name := term(), state := atom(), atom() => term()}.
-type mesh() :: #{identity := cambrian_identity:key() | undefined, counts := map(),
                  realms := [realm()],
                  peers := [cambrian_bridge:peer()], unshown_peers := non_neg_integer(),
                  migrations := [cambrian_bridge:migration()]}.
-type realm() :: #{name := binary(), trust := sound | fell_back | closed,
                   connected := boolean() | unknown, missing := [cambrian_population:population()],
                   bans := [cambrian_bans:ban()], refused := #{atom() => pos_integer()},
                   refusals := [cambrian_audit:refusal()]}.

-define(ANSWER_MS, 2000).
-define(MAX_POPULATIONS, 50).
-define(MAX_PEERS, 40).
-define(MAX_BANS, 100).
-define(MAX_REFUSALS, 20).

%% @doc Takes a whole snapshot.
-spec all() -> snapshot().
all() ->
    Questions = [fun cambrian_store:lost/0, fun cambrian_governor:status/0, fun mesh/0],
    Answers = cambrian_async:await_all(Questions, ?ANSWER_MS),
    [Lost, Governor, Mesh] = lists:map(fun answer/1, Answers),
    (populations())#{lost => case Lost of none -> []; _ -> Lost end,
                     governor => Governor, mesh => Mesh}.

answer({ok, Answer}) -> Answer;
answer(_) -> none.

%% @doc Asks the populations only. Populations with a name come first.
-spec populations() ->
          #{at := integer(), populations := [population()], unshown := non_neg_integer()}.
populations() ->
    Question = cambrian_async:start(fun cambrian_store:populations/0),
    Here = case cambrian_async:await(Question, ?ANSWER_MS) of
               {ok, All} ->
                   lists:sort([{not is_atom(Name), Name, Pid}
                               || {Name, Pid} <- maps:to_list(All)]);
               _ -> []
           end,
    Shown = lists:sublist(Here, ?MAX_POPULATIONS),
    Questions = [fun() -> overview(Pid) end || {_, _, Pid} <- Shown],
    Answers = cambrian_async:await_all(Questions, ?ANSWER_MS),
    #{at => erlang:monotonic_time(millisecond), unshown => length(Here) - length(Shown),
      populations => lists:append([population(Name, Pid, Answer)
                                   || {{_, Name, Pid}, Answer} <- lists:zip(Shown, Answers)])}.

overview(Pid) ->
    Overview = cambrian_population_client:overview(Pid),
    case cambrian_federation:status(Pid) of
        {error, no_federation} -> Overview;
        Status -> Overview#{federation => Status}
    end.

population(Name, Pid, {ok, Overview}) -> [Overview#{pid => Pid, text => cambrian_text:text(Name)}];
population(Name, _, timeout) ->
    [#{name => Name, text => cambrian_text:text(Name), state => silent}];
population(_Name, _, {error, _}) -> [].

%%% ---- the mesh ---------------------------------------------------------------------------

mesh() ->
    case cambrian_bridge:realms() of
        [] -> none;
        Realms -> mesh(Realms)
    end.

mesh(Realms) ->
    All = cambrian_bridge:list_nodes(),
    Known = lists:sort(fun(A, B) -> rank(A) =< rank(B) end, All),
    Peers = lists:sublist(Known, ?MAX_PEERS),
    #{identity => identity(), counts => cambrian_bridge:counts(),
      realms => [realm(Realm) || Realm <- Realms],
      peers => Peers, unshown_peers => length(All) - length(Peers),
      migrations => cambrian_bridge:migrations()}.

%% Nodes that are alive come first, then those that sent most.
rank(#{alive := Alive, accepted := Accepted, received := Received, origin := Origin}) ->
    {not Alive, -Accepted, -Received, Origin}.

%% The bridges of different realms may have different identities.
identity() ->
    try cambrian_bridge:identity()
    catch error:{which_realm, _} -> undefined
    end.

realm(Realm) ->
    #{bans := Bans, refused := Refused, last := Last, condition := Condition} =
        cambrian_trust:overview(Realm),
    #{connected := Connected, missing := Missing} = cambrian_bridge:status(Realm),
    Newest = lists:sort(fun(#{time := A}, #{time := B}) -> A >= B end, Bans),
    #{name => Realm, trust => case Condition of {How, _} -> How; sound -> sound end,
      connected => Connected, missing => Missing,
      bans => lists:sublist(Newest, ?MAX_BANS), refused => Refused,
      refusals => lists:sublist(Last, ?MAX_REFUSALS)}.
