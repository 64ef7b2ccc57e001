%% @private
%% Which numbers of envelopes came of keys that were forgotten, for as long as one of them could come again.
%%
%% Two halves: who is forgotten goes into the newer one, and after `Ms' the older one is dropped. So each is known for at
%% least `Ms', and what is kept is bounded: when the newer half is full before its time, nobody more can be forgotten.
-module(cambrian_forgotten_keys).

-export([new/2, put/4, find/3, has_room/2]).
-export_type([forgotten/1]).

-record(forgotten, {ms :: pos_integer(), max :: pos_integer(), since = 0 :: integer(), newer = #{} :: map(), older = #{} :: map()}).
-opaque forgotten(_Value) :: #forgotten{}.

-spec new(Ms :: pos_integer(), Max :: pos_integer()) -> forgotten(_).
new(Ms, Max) -> #forgotten{ms = Ms, max = Max}.

-spec put(cambrian_identity:key(), Value, Now :: integer(), forgotten(Value)) -> forgotten(Value).
put(Key, Value, Now, Forgotten) ->
    #forgotten{newer = Newer} = Turned = turned(Now, Forgotten),
    Turned#forgotten{newer = Newer#{Key => Value}}.

%% @doc What was put for this key last.
-spec find(cambrian_identity:key(), Now :: integer(), forgotten(Value)) -> {ok, Value} | error.
find(Key, Now, Forgotten) ->
    case turned(Now, Forgotten) of
        #forgotten{newer = #{Key := Value}} -> {ok, Value};
        #forgotten{older = #{Key := Value}} -> {ok, Value};
        _ -> error
    end.

-spec has_room(Now :: integer(), forgotten(_)) -> boolean().
has_room(Now, Forgotten) ->
    #forgotten{newer = Newer, max = Max} = turned(Now, Forgotten),
    map_size(Newer) < Max.

%% A clock that was set back starts the halves anew, and loses nothing of them.
turned(Now, #forgotten{since = Since, ms = Ms} = Forgotten) when Now >= Since, Now < Since + Ms -> Forgotten;
turned(Now, #forgotten{since = Since} = Forgotten) when Now < Since -> Forgotten#forgotten{since = Now};
turned(Now, #forgotten{since = Since, ms = Ms} = Forgotten) when Now >= Since + 2 * Ms ->
    Forgotten#forgotten{since = Now, newer = #{}, older = #{}};
turned(Now, #forgotten{newer = Newer} = Forgotten) -> Forgotten#forgotten{since = Now, newer = #{}, older = Newer}.
