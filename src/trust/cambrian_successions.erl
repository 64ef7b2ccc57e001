%% @private
%% Maps each key to the key that succeeds it: a value without a clock, where `Now' is in ms since
%% 1970.
%%
%% Each key knows its latest heir, so {@link heir/2} takes one look-up for a chain of any length.
%% Trusted keys ({@link cambrian_keyring:class()}) have room of their own. All fresh keys share a
%% tenth, so that new keys cannot take the room of a key that delivered something. Without room, a
%% succession is refused. A new succession replaces only successions that are a year old, or a month
%% old if the key was fresh. A chain of more than a hundred keys forgets its oldest keys.
-module(cambrian_successions).

-export([new/1, heir/2, named_heir/2, is_retired/2, has_room/4, add/5, to_map/1, from_map/2]).
-export_type([successions/0, entry/0]).

-type key() :: cambrian_identity:key().
-type is_named() :: fun((key()) -> boolean()).
%% `heir' is the key that this key named. `known' (its name in the files) means: the key was
%% trusted.
-type entry() :: #{heir := key(), known := boolean(), time := integer()}.
-record(successions, {max :: pos_integer(),
                      entries = #{} :: #{key() => entry()},
                      %% the latest heir of each retired key, and the keys before each latest heir
                      heirs = #{} :: #{key() => key()},
                      chains = #{} :: #{key() => [key()]},
                      fresh = 0 :: non_neg_integer()}).
-opaque successions() :: #successions{}.

%% As many successions as {@link cambrian_identity} keeps.
-define(MAX_CHAIN, 100).
-define(FRESH_MS, 30 * 86_400_000).

%% @doc Remembers at most so many successions.
-spec new(pos_integer()) -> successions().
new(Max) -> #successions{max = Max}.

%% @doc The key that now speaks for a key: the key itself, if it named no heir.
-spec heir(key(), successions()) -> key().
heir(Key, #successions{heirs = Heirs}) -> maps:get(Key, Heirs, Key).

%% @doc The heir that the key itself named.
-spec named_heir(key(), successions()) -> {ok, key()} | none.
named_heir(Key, #successions{entries = Entries}) ->
    case Entries of
        #{Key := #{heir := Heir}} -> {ok, Heir};
        _ -> none
    end.

-spec is_retired(key(), successions()) -> boolean().
is_retired(Key, #successions{entries = Entries}) -> is_map_key(Key, Entries).

%% @doc Whether there is room for another succession of this kind. `IsNamed' tells whether the
%% options or the owners of a realm name a key. The succession of such a key is kept: if the realm
%% forgot that the key is retired, the key could publish again.
-spec has_room(IsTrusted :: boolean(), Now :: integer(), is_named(), successions()) -> boolean().
has_room(IsTrusted, Now, IsNamed, Successions) ->
    room(IsTrusted, Now, IsNamed, Successions) =/= full.

room(IsTrusted, Now, IsNamed, #successions{entries = Entries} = Successions) ->
    case taken(IsTrusted, Successions) < share(IsTrusted, Successions) of
        true -> free;
        false ->
            Old = [{Time, Key}
                   || {Key, #{known := WasTrusted, time := Time}} <- maps:to_list(Entries),
                      WasTrusted =:= IsTrusted, Time < Now - kept_ms(IsTrusted),
                      not IsNamed(Key)],
            case Old of
                [] -> full;
                _ -> {instead_of, element(2, lists:min(Old))}
            end
    end.

taken(false, #successions{fresh = Fresh}) -> Fresh;
taken(true, #successions{entries = Entries, fresh = Fresh}) -> map_size(Entries) - Fresh.

share(false, #successions{max = Max}) -> (Max + 9) div 10;
share(true, #successions{max = Max} = Successions) -> max(1, Max - share(false, Successions)).

kept_ms(false) -> ?FRESH_MS;
%% no grant of an older key is valid any more
kept_ms(true) -> cambrian_identity:longest_grant().

%% @doc Adds a succession. The old key has named no heir yet, and is not an heir of the new one.
-spec add({Old :: key(), New :: key()}, IsTrusted :: boolean(), Now :: integer(), is_named(),
          successions()) ->
          {ok, successions()} | {error, too_many_successions}.
add({Old, New}, IsTrusted, Now, IsNamed, Successions) ->
    case room(IsTrusted, Now, IsNamed, Successions) of
        full -> {error, too_many_successions};
        free -> {ok, added(Old, New, IsTrusted, Now, IsNamed, Successions)};
        {instead_of, Key} ->
            {ok, added(Old, New, IsTrusted, Now, IsNamed, forget(Key, Successions))}
    end.

added(Old, New, IsTrusted, Now, IsNamed,
      #successions{entries = Entries, heirs = Heirs, chains = Chains} = Successions) ->
    Heir = heir(New, Successions),
    Moved = [Old | maps:get(Old, Chains, [])],
    Chain = Moved ++ maps:get(Heir, Chains, []),
    Joined = Successions#successions{
        entries = Entries#{Old => #{heir => New, known => IsTrusted, time => Now}},
        heirs = lists:foldl(fun(Key, Map) -> Map#{Key => Heir} end, Heirs, Moved),
        chains = (maps:remove(Old, Chains))#{Heir => Chain},
        fresh = count_fresh(IsTrusted, 1, Successions)},
    shortened(Chain, IsNamed, Joined).

count_fresh(true, _Change, #successions{fresh = Fresh}) -> Fresh;
count_fresh(false, Change, #successions{fresh = Fresh}) -> Fresh + Change.

shortened(Chain, IsNamed,
          #successions{entries = Entries} = Successions)
  when length(Chain) > ?MAX_CHAIN ->
    case [{maps:get(time, maps:get(Key, Entries)), Key} || Key <- Chain, not IsNamed(Key)] of
        [] -> Successions;
        Others -> forget(element(2, lists:min(Others)), Successions)
    end;
shortened(_Chain, _IsNamed, Successions) -> Successions.

%% A key that named the forgotten key now names the heir of the forgotten key.
forget(Key, #successions{entries = Entries, heirs = Heirs, chains = Chains} = Successions) ->
    {#{heir := Next, known := IsTrusted}, Left} = maps:take(Key, Entries),
    {Heir, Others} = maps:take(Key, Heirs),
    Chain = lists:delete(Key, maps:get(Heir, Chains)),
    Rewired = lists:foldl(fun(Before, Map) ->
                              case Map of
                                  #{Before := #{heir := Key} = Entry} ->
                                      Map#{Before := Entry#{heir := Next}};
                                  _ -> Map
                              end
                          end, Left, Chain),
    Successions#successions{entries = Rewired, heirs = Others,
                            fresh = count_fresh(IsTrusted, -1, Successions),
                            chains = case Chain of
                                         [] -> maps:remove(Heir, Chains);
                                         _ -> Chains#{Heir := Chain}
                                     end}.

%% @doc A map for {@link from_map/2}.
-spec to_map(successions()) -> #{key() => entry()}.
to_map(#successions{entries = Entries}) -> Entries.

%% @doc Restores the successions of such a map; `error' if this module did not make the map.
-spec from_map(Max :: pos_integer(), term()) -> {ok, successions()} | error.
from_map(Max, Entries) when is_map(Entries) ->
    restored(lists:sort(maps:to_list(Entries)), new(Max));
from_map(_Max, _Other) -> error.

restored([], Successions) -> {ok, Successions};
restored([{<<_:32/binary>> = Old,
           #{heir := <<_:32/binary>> = New, known := IsTrusted, time := Time}}
          | Rest], Successions)
  when is_boolean(IsTrusted), is_integer(Time) ->
    case heir(New, Successions) of
        %% a circle of successions has no latest heir
        Old -> error;
        _ -> restored(Rest, added(Old, New, IsTrusted, Time, fun(_) -> true end, Successions))
    end;
restored(_, _Successions) -> error.
