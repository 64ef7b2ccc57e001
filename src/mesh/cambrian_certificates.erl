%% @private
%% Handles the certificates of a realm that an exchange receives and publishes: charters, which the
%% owners of the realm sign, and successions, with which a key names its heir.
-module(cambrian_certificates).

-export([amend/3, heard_charters/3, look_for_charters/2, repeat_charters_soon/2,
         publish_charters_due/2]).
-export([heard_succession/3, publish_successions_due/2, rotated/3]).

-import(cambrian_exchange_state, [ask/3, effect/2, first_interval/1, option/2, rejected/2]).

-include("cambrian_exchange.hrl").

%% How often this node publishes its successions again; and, for new ones, how soon and how many
%% times.
-define(TELL_MS, 600_000).
-define(RETELL_MS, 10_000).
-define(RETELLS, 60).

%%% ---- charters ---------------------------------------------------------------------------

%% @doc Adopts a charter from the user, for this node and all others.
-spec amend(binary(), Now :: integer(), #exchange{}) -> {ok | {error, term()}, #exchange{}}.
amend(Charter, Now, X) ->
    case admit_charter(Charter, Now, X) of
        {ok, Next} -> {ok, publish_charters(Now, repeat_charters_soon(Now, Next))};
        {same, Next} -> {ok, publish_charters(Now, Next)};
        {older, Next} -> {{error, superseded}, Next};
        {Error, Next} -> {Error, Next}
    end.

admit_charter(Charter, Now, X) ->
    cambrian_admission:charter(Charter, option(once, X), asker(Now), X).

asker(Now) -> fun(Request, X) -> ask(Request, Now, X) end.

%% @doc Handles charters that another node published. If they are older than ours, ours are
%% published soon, for that node; if one of them was new to this node, for all others.
-spec heard_charters([binary()], Now :: integer(), #exchange{}) -> #exchange{}.
heard_charters(Charters, Now, X) ->
    Admit = fun(Charter, Y) -> admit_charter(Charter, Now, Y) end,
    {Answers, Next} = lists:mapfoldl(Admit, X, Charters),
    case {lists:member(ok, Answers), lists:last(Answers)} of
        {true, _} -> repeat_charters_soon(Now, Next);
        {false, older} -> repeat_charters_soon(Now, Next);
        {false, same} -> heard_same_charters(Next);
        {false, {error, Reason}} -> rejected(Reason, repeat_if_limited(Reason, Now, Next))
    end.

%% In a flood of forged charters, a genuine one may be among those that were not verified. A node
%% that has a newer charter than ours repeats it when it hears ours.
repeat_if_limited(rate_limited, Now, #exchange{charters = Trickle} = X) when Trickle =/= none ->
    repeat_charters_soon(Now, X);
repeat_if_limited(_Reason, _Now, X) -> X.

heard_same_charters(#exchange{charters = none} = X) -> X;
heard_same_charters(#exchange{charters = Trickle} = X) ->
    X#exchange{charters = cambrian_trickle:consistent(Trickle)}.

%% @doc Publishes the charters soon.
-spec repeat_charters_soon(Now :: integer(), #exchange{}) -> #exchange{}.
repeat_charters_soon(Now, #exchange{charters = none, charters_rand = Rand} = X) ->
    X#exchange{charters = cambrian_trickle:new(?TRICKLE, Rand, Now)};
repeat_charters_soon(Now, #exchange{charters = Trickle} = X) ->
    X#exchange{charters = cambrian_trickle:reset(first_interval(X), Now, Trickle)}.

publish_charters(Now, X) ->
    case ask(charters, Now, X) of
        {[], Next} -> Next#exchange{charters = none};
        {Charters, Next} -> effect({publish, cambrian_message:charters(Charters)}, Next)
    end.

-spec publish_charters_due(Now :: integer(), #exchange{}) -> #exchange{}.
publish_charters_due(_Now, #exchange{charters = none} = X) -> X;
publish_charters_due(Now, #exchange{charters = Trickle, nodes = Nodes} = X) ->
    case cambrian_trickle:tick(Now, Nodes, Trickle) of
        {speak, Next} -> publish_charters(Now, X#exchange{charters = Next});
        {quiet, Next} -> X#exchange{charters = Next}
    end.

%% @doc Checks for a charter that the user gave to the realm directly, not through this exchange.
-spec look_for_charters(Now :: integer(), #exchange{}) -> #exchange{}.
look_for_charters(Now, #exchange{charters = none} = X) ->
    case ask(charters, Now, X) of
        {[], Next} -> Next;
        {_, Next} -> repeat_charters_soon(Now, Next)
    end;
look_for_charters(_Now, X) -> X.

%%% ---- successions ------------------------------------------------------------------------

-spec heard_succession(binary(), Now :: integer(), #exchange{}) -> #exchange{}.
heard_succession(Certificate, Now, X) ->
    case admit_succession(Certificate, Now, X) of
        {ok, #exchange{members = Members} = Next} ->
            {ok, #{old := Old, new := New}} = cambrian_identity:peek_succession(Certificate),
            Moved = move_address(Old, New, Next),
            Moved#exchange{members = cambrian_members:forget(Old, Members)};
        {known, Next} -> Next;
        {{error, Reason}, Next} -> rejected(Reason, Next)
    end.

admit_succession(Certificate, Now, X) ->
    cambrian_admission:succession(Certificate, option(once, X), asker(Now), X).

%% The heir lives at the address of the old key.
move_address(Old, New, #exchange{members = Members, addresses = Addresses} = X) ->
    case cambrian_members:address(Old, Members) of
        {ok, Address} ->
            case cambrian_addresses:claim(Address, Old, 0, Addresses) of
                proven -> X#exchange{addresses = cambrian_addresses:moved(Address, New, Addresses)};
                _ -> X
            end;
        none -> X
    end.

%% @doc Publishes the successions of this node again, because nodes may have been absent and
%% messages get lost. New ones are published often at first: under a flood of forged certificates,
%% other nodes verify only a few.
-spec publish_successions_due(Now :: integer(), #exchange{}) -> #exchange{}.
publish_successions_due(Now, #exchange{tell_at = At} = X) when At > Now -> X;
publish_successions_due(Now, #exchange{retells = 0} = X) ->
    #exchange{options = #{identity := #{successions := All}}} = X,
    publish_successions(All, Now, X#exchange{tell_at = Now + ?TELL_MS, fresh = []});
publish_successions_due(Now, #exchange{retells = Left, fresh = Fresh} = X) ->
    publish_successions(Fresh, Now, X#exchange{tell_at = Now + ?RETELL_MS, retells = Left - 1}).

publish_successions(Certificates, Now, X) ->
    lists:foldl(fun(Certificate, Y) ->
                    effect({publish, Certificate}, follow_here(Certificate, Now, Y))
                end, X, Certificates).

%% A certificate that this node publishes also applies in its own realm.
follow_here(Certificate, Now, X) ->
    {ok, #{old := Old}} = cambrian_identity:peek_succession(Certificate),
    case ask({is_heard, Old}, Now, X) of
        {true, Heard} -> element(2, admit_succession(Certificate, Now, Heard));
        {false, Unheard} -> Unheard
    end.

%% @doc This node has a new key: publishes its new certificates at once. `Known' are the
%% certificates of the old identity.
-spec rotated(All :: [binary()], Known :: [binary()], #exchange{}) -> #exchange{}.
rotated(All, Known, #exchange{fresh = Fresh} = X) ->
    IsNew = fun(Certificate) ->
                lists:member(Certificate, Fresh) orelse not lists:member(Certificate, Known)
            end,
    X#exchange{fresh = lists:filter(IsNew, All), retells = ?RETELLS}.
