%% @private
%% Remembers which sequence numbers forgotten keys have used, for as long as an envelope of such a
%% key could be replayed.
%%
%% There are two halves. A forgotten key goes into the newer half, and the older half is dropped
%% after `Ms'. So each key is remembered for at least `Ms', in bounded space: while the newer half
%% is full, no more keys can be forgotten.
-module(cambrian_forgotten_keys).

-export([new/2, put/4, find/3, has_room/2]).
-export_type([forgotten/1]).

-record(forgotten,
        {ms :: pos_integer(), max :: pos_integer(), since = 0 :: integer(), newer = #{} :: map(),
         older = #{} :: map()}).
-opaque forgotten(_Value) :: #forgotten{}.

-spec new(Ms :: pos_integer(), Max :: pos_integer()) -> forgotten(_).
new(Ms, Max) -> #forgotten{ms = Ms, max = Max}.

-spec put(cambrian_identity:key(), Value, Now :: integer(), forgotten(Value)) -> forgotten(Value).
put(Key, Value, Now, Forgotten) ->
    #forgotten{newer = Newer} = Turned = turn(Now, Forgotten),
    Turned#forgotten{newer = Newer#{Key => Value}}.

%% @doc The value that was last put for this key.
-spec find(cambrian_identity:key(), Now :: integer(), forgotten(Value)) -> {ok, Value} | error.
find(Key, Now, Forgotten) ->
    case turn(Now, Forgotten) of
        #forgotten{newer = #{Key := Value}} -> {ok, Value};
        #forgotten{older = #{Key := Value}} -> {ok, Value};
        _ -> error
    end.

-spec has_room(Now :: integer(), forgotten(_)) -> boolean().
has_room(Now, Forgotten) ->
    #forgotten{newer = Newer, max = Max} = turn(Now, Forgotten),
    map_size(Newer) < Max.

%% If the clock was set back, the period starts again and no key is lost.
turn(Now, #forgotten{since = Since, ms = Ms} = Forgotten) when Now >= Since, Now < Since + Ms ->
    Forgotten;
turn(Now, #forgotten{since = Since} = Forgotten) when Now < Since ->
    Forgotten#forgotten{since = Now};
turn(Now, #forgotten{since = Since, ms = Ms} = Forgotten) when Now >= Since + 2 * Ms ->
    Forgotten#forgotten{since = Now, newer = #{}, older = #{}};
turn(Now, #forgotten{newer = Newer} = Forgotten) ->
    Forgotten#forgotten{since = Now, newer = #{}, older = Newer}.
