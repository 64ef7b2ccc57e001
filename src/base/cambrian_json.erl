%% @private
%% Writes terms as JSON on one line, in ASCII except for characters above 16#FFFF. It reads no JSON.
-module(cambrian_json).

-export([encode/1]).
-export_type([json/0]).

%% The keys of a map are sorted, and those of `{Fields}' keep their order. A list of numbers is an
%% array, not a text. `nil', `null' and `undefined' are null.
-type json() :: #{atom() | binary() => json()} | {[{atom(), json()}]} | [json()]
              | atom() | number() | binary().

%% @doc Encodes a term. Any other term raises `badarg'.
-spec encode(json()) -> binary().
encode(Term) -> iolist_to_binary(value(Term)).

value(Map) when is_map(Map) -> value({lists:sort(maps:to_list(Map))});
value({Fields}) ->
    [${, lists:join($,, [[key(Key), $:, value(Value)] || {Key, Value} <- Fields]), $}];
value(List) when is_list(List) -> [$[, lists:join($,, lists:map(fun value/1, List)), $]];
value(Word) when Word =:= true; Word =:= false -> atom_to_binary(Word);
value(Null) when Null =:= nil; Null =:= null; Null =:= undefined -> <<"null">>;
value(Atom) when is_atom(Atom) -> text(atom_to_binary(Atom));
value(N) when is_integer(N) -> integer_to_binary(N);
value(X) when is_float(X) -> io_lib:format("~p", [X]);
value(Text) when is_binary(Text) -> text(Text);
value(_) -> error(badarg).

key(Key) when is_atom(Key) -> text(atom_to_binary(Key));
key(Key) when is_binary(Key) -> text(Key);
key(_) -> error(badarg).

text(Text) ->
    case unicode:characters_to_list(Text) of
        Chars when is_list(Chars) -> [$", [escaped(C) || C <- Chars], $"];
        _ -> error(badarg)
    end.

escaped(C) when C < 32; C =:= $"; C =:= $\\; C > 126, C < 16#10000 ->
    io_lib:format("\\u~4.16.0b", [C]);
escaped(C) -> unicode:characters_to_binary([C]).
