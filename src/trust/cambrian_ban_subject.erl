%% @private
%% The subject of a ban as people write it: a key by its bytes, its digits or its name; a genotype
%% by itself, its id or the digits of its id.
-module(cambrian_ban_subject).

-export([read/1, reason/1, format_error/2]).

-define(MAX_TEXT, 60).
-define(MAX_REASON, 255).

%% @doc The subject for {@link cambrian_bans}, or a key by its name.
-spec read(term()) -> {ok, cambrian_bans:subject() | {key, cambrian_identity:name()}} | error.
read({What, <<_:32/binary>>} = Subject) when What =:= key; What =:= genotype -> {ok, Subject};
read({genotype, Given}) ->
    case cambrian_nif:kind_of(Given) of
        genotype -> {ok, {genotype, cambrian_genotype:id(Given)}};
        _ -> in_digits(genotype, text(Given))
    end;
read({key, Given}) ->
    case text(Given) of
        {ok, <<_:11/binary>> = Name} -> {ok, {key, Name}};
        Other -> in_digits(key, Other)
    end;
read(_) -> error.

in_digits(What, {ok, <<Digits:64/binary>>}) ->
    try {ok, {What, binary:decode_hex(Digits)}}
    catch error:badarg -> error
    end;
in_digits(_What, _) -> error.

%% @doc The reason of a ban, from a binary or a string.
-spec reason(term()) -> {ok, binary()} | error.
reason(Given) ->
    case text(Given) of
        {ok, Text} when byte_size(Text) =< ?MAX_REASON -> {ok, Text};
        _ -> error
    end.

%% From a binary or a string.
text(Given) when is_binary(Given); is_list(Given) ->
    try unicode:characters_to_binary(Given) of
        Text when is_binary(Text) -> {ok, Text};
        _ -> error
    catch error:badarg -> error
    end;
text(_) -> error.

%% @doc Describes which argument of a call is wrong, as EEP 54 specifies.
-spec format_error(badarg, [tuple()]) -> #{pos_integer() => unicode:chardata()}.
format_error(badarg, [{_, _, Arguments, _} | _]) ->
    Wrong = [{At, ["has to be ", expected(At), ", and is ", shown(Argument)]}
             || {At, Argument} <- lists:enumerate(Arguments), not is(At, Argument)],
    maps:from_list(Wrong).

is(1, Realm) -> is_binary(Realm);
is(2, Subject) -> read(Subject) =/= error;
is(3, Reason) -> reason(Reason) =/= error.

expected(1) -> "a realm, as <<\"org.example.lab\">>";
expected(2) ->
    "{key, Key} with 32 bytes, 64 hexadecimal digits or a name, "
    "or {genotype, G} with a genotype, its id or the 64 hexadecimal digits of that";
expected(3) -> "a text of at most 255 bytes".

shown(Term) -> io_lib:format("~0tP", [Term, 12], [{chars_limit, ?MAX_TEXT}]).
