%% @private
%% The bans of a realm, as a value: of keys and of genotypes, by a user or by reputation.
-module(cambrian_bans).

-export([add/5, count/2, make_room/2, is_banned/2, is_banned_by_user/2, by_user/1, keys/1,
         in_order/1, is_saved/1]).
-export_type([bans/0, ban/0, subject/0]).

-type subject() :: {key, cambrian_identity:key()} | {genotype, cambrian_genotype:id()}.
-type ban() :: #{what := subject(), reason := binary(), by := user | reputation, time := integer()}.
-type bans() :: #{subject() => ban()}.

-spec add(subject(), Reason :: binary(), By :: user | reputation, Now :: integer(), bans()) ->
          bans().
add(Subject, Reason, By, Now, Bans) ->
    Bans#{Subject => #{what => Subject, reason => Reason, by => By, time => Now}}.

-spec count(By :: user | reputation, bans()) -> non_neg_integer().
count(By, Bans) -> length(bans(By, Bans)).

%% @doc Removes the oldest ban by reputation if there are `Max' of them: an attacker may make ever
%% new keys and lie with each. Bans by a user stay.
-spec make_room(Max :: pos_integer(), bans()) -> bans().
make_room(Max, Bans) ->
    case bans(reputation, Bans) of
        Own when length(Own) < Max -> Bans;
        Own ->
            {_, Oldest} = lists:min([{Time, What} || #{time := Time, what := What} <- Own]),
            maps:remove(Oldest, Bans)
    end.

bans(By, Bans) -> [Ban || #{by := Who} = Ban <- maps:values(Bans), Who =:= By].

-spec is_banned(subject(), bans()) -> boolean().
is_banned(Subject, Bans) -> is_map_key(Subject, Bans).

-spec is_banned_by_user(subject(), bans()) -> boolean().
is_banned_by_user(Subject, Bans) ->
    case Bans of
        #{Subject := #{by := user}} -> true;
        _ -> false
    end.

%% @doc The subjects that a user banned.
-spec by_user(bans()) -> [subject()].
by_user(Bans) -> [Subject || {Subject, #{by := user}} <- maps:to_list(Bans)].

%% @doc The banned keys.
-spec keys(bans()) -> [cambrian_identity:key()].
keys(Bans) -> [Key || {key, Key} <- maps:keys(Bans)].

%% @doc The oldest ban first.
-spec in_order(bans()) -> [ban()].
in_order(Bans) ->
    lists:sort(fun(#{time := A, what := WhatA}, #{time := B, what := WhatB}) ->
                   {A, WhatA} =< {B, WhatB}
               end, maps:values(Bans)).

%% @doc Whether a term can be the saved bans of a realm.
-spec is_saved(term()) -> boolean().
is_saved(Saved) -> is_map(Saved) andalso lists:all(fun is_ban/1, maps:to_list(Saved)).

is_ban({{What, Id} = Subject, #{what := Subject, reason := Reason, by := By, time := Time}}) ->
    (What =:= key orelse What =:= genotype) andalso cambrian_options:is_id(Id)
        andalso is_binary(Reason) andalso (By =:= user orelse By =:= reputation)
        andalso is_integer(Time);
is_ban(_) -> false.
