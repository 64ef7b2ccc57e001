%% @private
%% How the common archive of a task becomes the same on all nodes: anti-entropy (Demers et al. 1987,
%% "Epidemic algorithms for replicated database maintenance"). The replica of a node is the archive
%% of its population. Now and then a node compares its replica with that of another node, drawn at
%% random, and asks for the elites that it lacks or that beat its own. Each of them is measured here
%% as any newcomer is, and enters the population's archive by its measured fitness and behaviour;
%% what the other node claims decides only what is asked for, and is held against it if it is false.
%%
%% As long as nothing is found, a node compares ever more seldom. What that costs a node does not
%% depend on the number of nodes: it calls one, and on average one calls it.
-module(cambrian_anti_entropy).

-export([archived/4, tick/3, wakes/1, answered/5]).

-import(cambrian_exchange_state, [ask/3, note/5, option/2, origin/1, rejected/2]).
-import(cambrian_holdings, [knowledge/4]).
-import(cambrian_allowances, [compare_claim/4, is_source/3]).
-import(cambrian_commons, [look/4, misplaced/3, put_common/2, soon/3]).

-include("cambrian_exchange.hrl").

%% Between two comparisons with other nodes: `SHORTEST_MS', twice as long after each that found
%% nothing, and never longer than this. After one that found something, the next comes soon.
-define(LONGEST_MS, 60_000).
-define(SOON_MS, 1_000).
%% A session asks for so many elites at once, looks so soon for whether they came, and ends after so
%% many calls.
-define(AT_ONCE, 2).
-define(PAUSE_MS, 300).
-define(CALLS, 256).
%% So many calls in a row may get no answer before a session ends.
-define(FAILURES, 3).
%% A session, or a population that is asked for its archive, has so long.
-define(PATIENCE_MS, 60_000).
%% A node is asked for an elite so often, as messages get lost.
-define(TRIES, 3).
%% An elite that was asked for is not asked for again so soon, and twice as long after each time, up
%% to so many times.
-define(AGAIN_MS, 10_000).
-define(DOUBLINGS, 3).
%% So many times it is likely that a message was lost.
-define(LIKELY, 4).
%% A node without a replica of the subject is not asked again so soon.
-define(WITHOUT_MS, 60_000).

%% @doc The archive of the population; `none' if it has none, or is gone.
-spec archived(cambrian_exchange_state:task(), none | cambrian_common_archive:replica(),
               Now :: integer(), #exchange{}) -> #exchange{}.
archived(Name, Replica, Now, #exchange{common = All} = X) ->
    case All of
        #{Name := #common{looking = For, replica = Old} = Common} ->
            Seen = seen(Old, Replica, Now, Common#common{replica = Replica, looking = false}),
            case For of
                for_session -> begin_session(Seen, Now, X);
                _ -> put_common(Seen, X)
            end;
        _ -> X
    end.

%% A session compares what is here now. Whoever has something new compares it soon.
seen(none, none, _Now, Common) -> Common;
seen(Old, New, Now, Common) when Old =:= none; New =:= none ->
    soon(?SHORTEST_MS, Now, Common#common{session = none});
seen(Old, New, Now, #common{session = Session} = Common) ->
    IsSame = fun(Of) -> Of(Old) =:= Of(New) end,
    case {IsSame(fun cambrian_common_archive:subject/1),
          IsSame(fun cambrian_common_archive:root/1)} of
        {true, true} -> Common;
        {true, false} when Session =/= none -> Common#common{interval = ?SHORTEST_MS};
        _ -> soon(?SHORTEST_MS, Now, Common#common{session = none})
    end.

%%% ---- time -------------------------------------------------------------------------------

%% @doc When a common archive has something to do.
-spec wakes(#exchange{}) -> [integer()].
wakes(#exchange{common = All}) -> [At || #common{next_at = At} <- maps:values(All)].

-spec tick(cambrian_exchange_state:task(), Now :: integer(), #exchange{}) -> #exchange{}.
tick(Name, Now, #exchange{common = All} = X) ->
    case All of
        #{Name := #common{next_at = At} = Common} when At =< Now ->
            Due = (without_late(Common))#common{next_at = Now + ?PATIENCE_MS},
            case Common of
                #common{is_stale = true} -> look(for_session, Due, Now, X);
                #common{looking = for_others, looked_at = Looked}
                  when Looked + ?PATIENCE_MS > Now ->
                    put_common(Due#common{looking = for_session}, X);
                _ -> begin_session(Due#common{looking = false}, Now, X)
            end;
        _ -> X
    end.

%% A session whose question was never answered.
without_late(#common{session = #session{asked = #{}}} = Common) -> Common#common{session = none};
without_late(Common) -> Common.

%%% ---- sessions ---------------------------------------------------------------------------

begin_session(#common{replica = none} = Common, Now, X) ->
    Seldom = Common#common{is_stale = true, interval = ?LONGEST_MS},
    put_common(later(Now, Seldom#common{session = none}), X);
begin_session(#common{session = #session{}} = Common, Now, X) -> proceed(Common, Now, X);
begin_session(#common{replica = Replica} = Common, Now, X) ->
    case peer(Common, Now, X) of
        {{_, _} = Peer, Drawn, Next} ->
            Top = cambrian_common_archive:top(Replica),
            Session = #session{peer = Peer, left = [Top]},
            call_peer(Drawn#common{session = Session}, Now, Next);
        {none, Drawn, Next} -> put_common(later(Now, Drawn), Next)
    end.

%% Every other hint is followed, so that a node that always claims to differ does not keep this one
%% from the others.
peer(#common{hint = Hint, rand = Rand} = Common, Now, X) ->
    {Turn, Drawn} = rand:uniform_s(2, Rand),
    case Hint of
        {_, Key} when Turn =:= 1 ->
            case is_wanted(Key, Common, Now, X) of
                true -> admitted(Hint, Common#common{hint = none, rand = Drawn}, Now, X);
                false -> draw(Common#common{hint = none, rand = Drawn}, Now, X)
            end;
        _ -> draw(Common#common{hint = none, rand = Drawn}, Now, X)
    end.

%% Three of four draws are of nodes whose address is proven: to prove one takes a call more.
draw(#common{rand = Rand} = Common, Now, X) ->
    #exchange{members = Members, addresses = Addresses} = X,
    IsWanted = fun({_, Key}) -> is_wanted(Key, Common, Now, X) end,
    IsProven = fun({Address, Key} = Peer) ->
                   cambrian_addresses:claim(Address, Key, Now, Addresses) =:= proven
                       andalso IsWanted(Peer)
               end,
    {Turn, First} = rand:uniform_s(4, Rand),
    {Peer, Last} = case cambrian_members:draw(IsProven, Now, First, Members) of
                       {{_, _}, _} = Proven when Turn > 1 -> Proven;
                       {_, Next} -> cambrian_members:draw(IsWanted, Now, Next, Members)
                   end,
    admitted(Peer, Common#common{rand = Last}, Now, X).

is_wanted(Key, #common{without = Without}, Now, #exchange{requests = Requests} = X) ->
    Key =/= origin(X) andalso not cambrian_mesh_requests:is_avoided(Key, Now, Requests)
        andalso cambrian_bounded_map:get(Key, Without, Now) =< Now.

admitted(none, Common, _Now, X) -> {none, Common, X};
admitted({_, Key} = Peer, Common, Now, X) ->
    case is_source(Key, Now, X) of
        {true, Asked} ->
            case ask({is_any_banned, [{key, Key}]}, Now, Asked) of
                {false, Next} -> {Peer, Common, Next};
                {true, Next} -> {none, Common, Next}
            end;
        {false, Asked} -> {none, Common, Asked}
    end.

%% Only a key that has shown that it lives at its address is asked there.
call_peer(#common{session = #session{peer = {Address, Key} = Peer}} = Common, Now, X) ->
    #exchange{addresses = Addresses} = X,
    Waits = soon(?SOON_MS, Now, Common#common{session = none, hint = Peer,
                                              next_at = Now + ?SOON_MS}),
    case cambrian_addresses:claim(Address, Key, Now, Addresses) of
        proven -> proceed(Common, Now, X);
        asking -> put_common(Waits, X);
        unasked ->
            case cambrian_presence:ask_who_lives_at(Address, Key, [], Now, X) of
                {asked, Next} -> put_common(Waits, Next);
                {metered, Next} -> put_common(later(Now, Common#common{session = none}), Next)
            end;
        refused -> put_common(later(Now, Common#common{session = none}), X)
    end.

%% Asks for the elites that were found; then the next question of the session, or its end.
proceed(#common{session = #session{wanted = [_ | _]}} = Common, Now, X) ->
    want_some(Common, Now, X);
proceed(#common{session = #session{left = Left, calls = Calls}} = Common, Now, X)
  when Left =:= []; Calls >= ?CALLS ->
    put_common(finish(Common, Now), X);
proceed(#common{name = Name, replica = Replica, session = Session, rand = Rand} = Common, Now, X) ->
    #session{peer = {Address, Key}, left = [Node | Left], calls = Calls} = Session,
    {Nonce, Drawn} = rand:bytes_s(16, Rand),
    Question = #{subject => cambrian_common_archive:subject(Replica), nonce => Nonce, node => Node,
                 digests => cambrian_common_archive:digests(Node, Replica)},
    Asking = Session#session{left = Left, asked = Question, calls = Calls + 1},
    Call = #call{kind = {compare, Name}, address = Address, key = Key, at = Now},
    cambrian_presence:call(Call, cambrian_message:compare(Question),
                           put_common(Common#common{session = Asking, rand = Drawn,
                                                    next_at = Now + ?PATIENCE_MS}, X)).

%% After a session that found something the next comes soon. As long as nothing is found, the
%% interval doubles, unless this is no more than bad luck.
finish(#common{session = #session{has_found = true}} = Common, Now) ->
    Common#common{session = none, interval = ?SHORTEST_MS, next_at = Now + ?SOON_MS};
finish(#common{session = Session, interval = Interval} = Common, Now) ->
    #session{waits = Waits, left = Left} = Session,
    Longer = case Waits orelse Left =/= [] of
                 true -> ?SHORTEST_MS;
                 false -> min(2 * Interval, ?LONGEST_MS)
             end,
    later(Now, Common#common{session = none, interval = Longer}).

%% In the second half of the interval, so that nodes that began together drift apart.
later(Now, #common{interval = Interval, rand = Rand} = Common) ->
    {Share, Next} = rand:uniform_s(Rand),
    Common#common{next_at = Now + round(Interval * (1 + Share) / 2), rand = Next}.

%% The session is over, and another begins soon.
again(Now, #common{rand = Rand} = Common) ->
    {Wait, Next} = rand:uniform_s(?SHORTEST_MS, Rand),
    Common#common{session = none, next_at = Now + Wait, rand = Next}.

%%% ---- answers of other nodes -------------------------------------------------------------

%% @doc A question of a session was answered, or was not.
-spec answered(cambrian_exchange_state:task(), #call{}, {ok, binary()} | {error, term()},
               Now :: integer(), #exchange{}) -> #exchange{}.
answered(Name, #call{address = Address, key = Key}, Result, Now, #exchange{common = All} = X) ->
    case All of
        #{Name := #common{session = #session{peer = {Address, Key}, asked = #{}}} = Common} ->
            case Result of
                {ok, Bytes} ->
                    read(cambrian_message:read_compared(Bytes), Common, Now, X);
                {error, busy} -> put_common(again(Now, Common), X);
                {error, _} -> not_answered(Common, Now, X)
            end;
        _ -> X
    end.

%% A message was lost, or that node is gone.
not_answered(#common{session = #session{failures = ?FAILURES}} = Common, Now, X) ->
    put_common(again(Now, Common), X);
not_answered(#common{session = Session} = Common, Now, X) ->
    #session{asked = #{node := Node}, left = Left, failures = Failures} = Session,
    Again = Session#session{left = [Node | Left], asked = none, failures = Failures + 1},
    proceed(Common#common{session = Again}, Now, X).

read({ok, none}, #common{session = Session, without = Without} = Common, Now, X) ->
    #session{peer = {_, Key}} = Session,
    Known = cambrian_bounded_map:put(Key, Now + ?WITHOUT_MS, Without),
    put_common(soon(?SHORTEST_MS, Now, Common#common{session = none, without = Known}), X);
read({ok, {differ, Bits}}, #common{session = Session, replica = Replica} = Common, Now, X) ->
    #session{asked = #{node := {Level, _} = Node}, left = Left} = Session,
    Below = case Level of
                1 -> [];
                _ -> cambrian_common_archive:children(Node, {Bits, Replica})
            end,
    %% a session that ends early leaves other parts to the next
    {Nth, Drawn} = rand:uniform_s(length(Below) + 1, Common#common.rand),
    {Later, First} = lists:split(Nth - 1, Below),
    Next = Session#session{left = First ++ Later ++ Left, asked = none, failures = 0},
    proceed(Common#common{session = Next, rand = Drawn}, Now, X);
read({ok, {elites, _, _, _} = Answer}, Common, Now, X) ->
    #common{session = #session{peer = {_, Key}, asked = Question}} = Common,
    #{node := Node} = Question,
    case cambrian_message:read_elites(option(realm, X), Question, Answer) of
        {ok, #{origin := Key} = Claims, Entries, Verify} ->
            case cambrian_common_archive:are_below(Node, Entries) of
                true -> admit(Claims, Entries, Verify, Common, Now, X);
                false -> misled(Common, Now, X)
            end;
        _ -> misled(Common, Now, X)
    end;
read({error, malformed}, Common, Now, X) -> misled(Common, Now, X).

%% What another node claims of elites is admitted as an announcement is.
admit(Claims, Entries, Verify, #common{name = Name, session = Session} = Common, Now, X) ->
    %% stands for the genotype that other claims name
    Hash = crypto:hash(sha256, term_to_binary(Entries)),
    Prove = fun() ->
                case Verify() of
                    true -> {ok, Entries, Hash};
                    false -> {error, bad_signature}
                end
            end,
    Named = Claims#{task => Name, genotype => Hash, fitness => 0.0, generation => 0},
    Ask = cambrian_announcements:ask_for_admission(0, Now),
    case cambrian_admission:claims(Named, Prove, option(once, X), Ask, X) of
        {{ok, Entries}, Next} -> compare_entries(Entries, Common, Now, Next);
        {{error, bad_signature}, Next} -> misled(Common, Now, rejected(bad_signature, Next));
        {{error, Reason}, Next} ->
            Waits = Common#common{session = Session#session{left = [], waits = true}},
            put_common(finish(Waits, Now), rejected(Reason, Next))
    end.

misled(#common{session = #session{peer = {_, Key}}} = Common, Now, X) ->
    #exchange{requests = Requests} = X,
    Failed = X#exchange{requests = cambrian_mesh_requests:failed(Key, Now, Requests)},
    put_common(later(Now, Common#common{session = none}), Failed).

compare_entries(Entries, #common{replica = Replica, session = Session} = Common, Now, X) ->
    {Wanted, Next} =
        lists:foldl(fun(Entry, {All, Y}) ->
                        {IsWanted, Z} = compare_entry(Entry, Common, Now, Y),
                        {[Entry || IsWanted] ++ All, Z}
                    end, {[], X}, cambrian_common_archive:wanted(Entries, Replica)),
    Compared = Session#session{asked = none, failures = 0, wanted = Wanted},
    proceed(Common#common{session = Compared}, Now, Next).

%% What is known of an elite already need not be asked for; a false claim of it counts.
compare_entry({Cell, Fitness, Id}, #common{name = Name, replica = Replica} = Common, Now, X) ->
    #common{session = #session{peer = {_, Key}}} = Common,
    Claim = #{origin => Key, fitness => Fitness},
    case cambrian_common_archive:place(Id, Replica) of
        {ok, Cell, Measured} -> {false, compare_claim(Claim, Measured, Now, X)};
        {ok, _Elsewhere, _} -> {false, misplaced(Key, Now, X)};
        error ->
            case knowledge(Name, Id, Now, X) of
                {ok, Measured} when is_float(Measured), Fitness > Measured ->
                    {false, compare_claim(Claim, Measured, Now, X)};
                {ok, _} -> {false, X};
                error -> {true, X}
            end
    end.

%% Asks for as many as may be under way, and pauses. A banned key gets no chance.
want_some(#common{session = Session} = Common, Now, #exchange{requests = Requests} = X) ->
    #session{peer = {_, Key}, wanted = Wanted} = Session,
    UnderWay = cambrian_mesh_requests:asked_of(Key, Requests),
    {Some, Later} = lists:split(min(max(0, ?AT_ONCE - UnderWay), length(Wanted)), Wanted),
    case ask({is_any_banned, [{key, Key}]}, Now, X) of
        {true, Next} -> put_common(again(Now, Common), Next);
        {false, Next} ->
            Paused = Common#common{session = Session#session{wanted = Later},
                                   next_at = Now + ?PAUSE_MS},
            {Asked, Last} = lists:foldl(fun(Entry, {C, Y}) -> want_again(Entry, C, Now, Y) end,
                                        {Paused, Next}, Some),
            put_common(Asked, Last)
    end.

%% Another elite may have come into its cell meanwhile, or it was asked for a moment ago.
want_again({_, _, Id} = Entry, #common{session = Session, tried = Tried} = Common, Now, X) ->
    {Count, Until} = cambrian_bounded_map:get(Id, Tried, {0, Now}),
    case cambrian_common_archive:wanted([Entry], Common#common.replica) of
        [Entry] when Until =< Now ->
            Wait = ?AGAIN_MS bsl min(Count, ?DOUBLINGS),
            Again = cambrian_bounded_map:put(Id, {Count + 1, Now + Wait}, Tried),
            want(Entry, Common#common{session = Session#session{has_found = true}, tried = Again},
                 Now, X);
        [Entry] when Count < ?LIKELY ->
            {Common#common{session = Session#session{waits = true}}, X};
        _ -> {Common, X}
    end.

%% A request as for an announced genotype, for the whole: the envelope has what its breeder signed.
%% No others are asked for it, as they may not have it yet.
want({Cell, Fitness, Id}, #common{name = Name} = Common, Now, X) ->
    #common{session = #session{peer = {Address, Key} = Peer}} = Common,
    case ask({is_any_banned_by_user, [{genotype, Id}]}, Now, X) of
        {true, Next} -> {Common, Next};
        {false, Next} ->
            Claims = #{realm => option(realm, X), task => Name, genotype => Id, origin => Key,
                       fitness => Fitness, generation => 0, cell => Cell},
            Request = #{id => Id, task => Name, claims => Claims, record => <<>>,
                        addresses => lists:duplicate(?TRIES, Peer), whole => true,
                        elsewhere => true},
            Details = #{origin => Key, fitness => Fitness, address => Address},
            Noted = note(Id, compared, Details, Now, Next),
            {Common, cambrian_retrieval:want(Request, Now, Noted)}
    end.

