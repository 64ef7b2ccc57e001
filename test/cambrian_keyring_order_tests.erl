%% Charters, grants and successions that reach two nodes in different orders.
-module(cambrian_keyring_order_tests).
-include_lib("eunit/include/eunit.hrl").
-import(cambrian_owners, [amend/3, arrives/4, charter/5, follow/3, grant/3, grant_id/1, key/1,
                          now_ms/0, owned/2, refusal/4, restarted/1, secret/1]).

-define(DAY, 86_400_000).

-record(story,
        {speaks = #{} :: #{pos_integer() => pos_integer()},
         %% the key that each owner or member has now
         owners = [1, 2, 3], banned = [], number = 0, next = 100, grants = [], told = [],
         bans = []}).

%% Random actions of owners and members, told to two nodes in different orders: once all messages
%% have arrived and the owners have signed again, the nodes give the same answers.
two_nodes_agree_whatever_the_order_of_messages_test_() ->
    {timeout, 300, fun() ->
        First = erlang:system_time(microsecond),
        [begin
             _ = rand:seed(exsss, Seed),
             try two_nodes_agree_whatever_the_order_of_messages()
             catch Class:Reason:Stack -> erlang:raise(Class, {seed, Seed, Reason}, Stack)
             end
         end || Seed <- lists:seq(First, First + 24)]
    end}.

two_nodes_agree_whatever_the_order_of_messages() ->
    Now = now_ms(),
    Beginning =
        granted(Now, #story{speaks = maps:from_list([{N, N} || N <- [1, 2, 3, 4, 11, 12, 13]])}),
    Lived =
        lists:foldl(fun(_, Story) -> lives(rand:uniform(5), Now, Story) end, Beginning,
                    lists:seq(1, 12)),
    %% a node that hears late of a retired key does not accept its signatures, so the owners sign
    %% again
    #story{told = Told, grants = Grants} = End = granted(Now, revises(Lived)),
    [A, B] = [told_all(shuffled(Told), Now, owned(2, [1, 2, 3])) || _ <- [1, 2]],
    [A1, B1] = [banned_here(End, Now, R) || R <- [A, B]],
    Exchanged = told_all(shuffled(Told), Now + 2000, A1),
    Other = told_all(shuffled(Told), Now + 2000, B1),
    Answers = fun(R) -> [{N, refusal(N, Grant, Now + 3000, R) =:= ok} || {N, Grant} <- Grants] end,
    ?assertEqual(Answers(Exchanged), Answers(Other)),
    Owners = fun(R) -> maps:with([owners, charter], cambrian_realm:report(R)) end,
    ?assertEqual(Owners(Exchanged), Owners(Other)),
    ?assertEqual(Answers(Exchanged), Answers(restarted(Exchanged))),
    %% at least one key may publish
    ?assert(lists:any(fun({_, Answer}) -> Answer end, Answers(Exchanged))).

shuffled(List) -> [X || {_, X} <- lists:sort([{rand:uniform(), X} || X <- List])].

%% The secrets of the owners that are not banned.
good(#story{speaks = Speaks, owners = Owners, banned = Banned}) ->
    [maps:get(Owner, Speaks) || Owner <- Owners -- Banned].

granted(Now, #story{speaks = Speaks, grants = Grants, told = Told} = Story) ->
    %% Two grants of the same millisecond with the same end would be the same bytes, and be
    %% revoked together.
    Until = Now + ?DAY + length(Grants),
    New =
        [{Key, grant(good(Story), Key, Until)}
         || Member <- [11, 12, 13], Key <- [maps:get(Member, Speaks)]],
    Story#story{grants = New ++ Grants,
                told = [{shown, Key, Grant} || {Key, Grant} <- New] ++ Told}.

lives(1, _Now, Story) -> rotates(11 + rand:uniform(3) - 1, Story);
lives(2, _Now, #story{owners = Owners} = Story) ->
    rotates(lists:nth(rand:uniform(length(Owners)), Owners), Story);
lives(3, _Now, Story) -> revises(Story);
lives(4, Now, Story) -> granted(Now, Story);
%% Bans one owner, once; the other owners reach the threshold without it.
lives(5, _Now, #story{banned = [], bans = Bans, speaks = Speaks} = Story) ->
    Story#story{banned = [2], bans = [maps:get(2, Speaks) | Bans]};
lives(5, _Now, #story{owners = [1, 2, 3]} = Story) -> revises(Story#story{owners = [1, 2, 3, 4]});
lives(5, _Now, Story) -> Story.

%% A banned owner does not rotate.
rotates(Who, #story{banned = Banned, speaks = Speaks, next = Next, told = Told} = Story) ->
    case lists:member(Who, Banned) of
        true -> Story;
        false ->
            Certificate = cambrian_identity:succession(secret(maps:get(Who, Speaks)), secret(Next)),
            Story#story{speaks = Speaks#{Who := Next}, next = Next + 1,
                        told = [{succession, Certificate} | Told]}
    end.

revises(#story{number = Number, owners = Owners, speaks = Speaks, grants = Grants, told = Told} =
            Story) ->
    Revoked = [grant_id(Grant) || {_, Grant} <- Grants, rand:uniform(6) =:= 1],
    Charter =
        charter(Number + 1, [maps:get(Owner, Speaks) || Owner <- Owners], 2, lists:usort(Revoked),
                good(Story)),
    Story#story{number = Number + 1, told = [{charter, Charter} | Told]}.

banned_here(#story{bans = Bans}, Now, Realm) ->
    lists:foldl(fun(N, R) -> {ok, Next} = cambrian_realm:ban({key, key(N)}, <<>>, Now, R), Next end,
                Realm, Bans).

%% Delivers all messages again until nothing changes, each second as many as may be verified in
%% one.
told_all(Told, Now, Realm) ->
    Next =
        element(2,
                lists:foldl(fun(Message, {At, R}) -> {At + 1, told(Message, At, R)} end,
                            {Now, Realm}, Told)),
    case known(Next) =:= known(Realm) of
        true -> Next;
        false -> told_all(Told, Now, Next)
    end.

known(Realm) ->
    #{retired := Retired, charter := Charter, origins := Origins} = cambrian_realm:report(Realm),
    {Retired, Charter, maps:map(fun(_, #{grant := Grant}) -> Grant end, Origins)}.

told({shown, Key, Grant}, Now, Realm) -> element(2, arrives(Key, Grant, Now, Realm));
told({succession, Certificate}, Now, Realm) -> element(2, follow(Certificate, Now, Realm));
told({charter, Charter}, Now, Realm) -> element(2, amend(Charter, Now, Realm)).
