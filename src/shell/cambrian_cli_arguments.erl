%% @private
%% Reads a command line by a table of options, which its help is made from as well.
-module(cambrian_cli_arguments).

-export([decoded/1, read/2, help/1, value/1, word/1, flag/1, path/1]).
-export_type([table/0, given/0]).

%% `Shown' stands for the value in the help.
-type table() :: [{Name :: atom(), type(), Shown :: string(), About :: string()}].
-type type() :: flag | text | word | integer | positive | number | duration | setting.
%% The values by name (a list for settings), and in `texts' what was typed.
-type given() :: #{texts := #{atom() => string()}, atom() => term()}.

%% @doc Decodes the VM's arguments, which are bytes in UTF-8 in any locale. Without a UTF-8 locale
%% the VM takes each byte for a character.
-spec decoded([string() | term()]) -> {ok, [string()]} | {error, unicode:chardata()}.
decoded(Args) ->
    Decoded = [decoded(Arg, file:native_name_encoding()) || Arg <- Args],
    case [Place || {Place, error} <- lists:zip(lists:seq(1, length(Args)), Decoded)] of
        [] -> {ok, Decoded};
        [Place | _] -> {error, io_lib:format("argument ~b: expected text in UTF-8", [Place])}
    end.

decoded(Arg, latin1) when is_list(Arg) ->
    try decoded(unicode:characters_to_list(list_to_binary(Arg)), utf8)
    catch error:badarg -> Arg
    end;
decoded(Arg, utf8) when is_list(Arg) -> Arg;
decoded(_Arg, _) -> error.

%% @doc Reads the words and the options, or says in one line what is wrong.
-spec read([string()], table()) ->
          {ok, Words :: [string()], given()} | help | {error, unicode:chardata()}.
read(Args, Table) ->
    case lists:member("--help", Args) orelse lists:member("-h", Args) of
        true -> help;
        false -> read(Args, Table, [], #{texts => #{}})
    end.

read([], _Table, Words, Given) -> {ok, lists:reverse(Words), Given};
read(["--" ++ Option | Rest], Table, Words, Given) ->
    {Flag, Args} = case string:split(Option, "=") of
                       [Name, Value] -> {Name, [{value, Value} | Rest]};
                       [Name] -> {Name, Rest}
                   end,
    case [Row || Row <- Table, flag(element(1, Row)) =:= "--" ++ Flag] of
        [Row] -> option(Row, Args, Table, Words, Given);
        [] -> {error, ["--", Flag, no_such_option(Flag, Table)]}
    end;
read(["-" ++ Flag = Word | _], Table, _Words, _Given) ->
    {error, [Word, no_such_option(Flag, Table)]};
read([Word | Rest], Table, Words, Given) -> read(Rest, Table, [Word | Words], Given).

no_such_option(Flag, Table) ->
    Names = [element(1, Row) || Row <- Table],
    [": there is no such option",
     [[" (did you mean ", flag(Near), "?)"] || Near <- cambrian_options:nearest(Flag, Names)]].

option({Name, flag, _, _}, [{value, Text} | _], _Table, _Words, _Given) ->
    {error, [flag(Name), $=, Text, ": expected no value"]};
option({Name, flag, _, _}, Rest, Table, Words, Given) ->
    read(Rest, Table, Words, Given#{Name => true});
option({Name, Type, _, _}, Args, Table, Words, Given) ->
    case Args of
        [{value, Text} | Rest] -> option(Name, Type, Text, Rest, Table, Words, Given);
        [[C, D | _] = Text | Rest] when C =/= $-; D =/= $- ->
            option(Name, Type, Text, Rest, Table, Words, Given);
        [[_] = Text | Rest] -> option(Name, Type, Text, Rest, Table, Words, Given);
        _ -> {error, [flag(Name), ": its value is missing, expected ", expected(Type)]}
    end.

option(Name, setting, Text, Rest, Table, Words, Given) ->
    case string:split(Text, "=") of
        [[_ | _] = Key, Value] ->
            Before = maps:get(Name, Given, []),
            case lists:keymember(Key, 1, Before) of
                true -> {error, [flag(Name), $\s, Text, ": given twice"]};
                false -> read(Rest, Table, Words, Given#{Name => Before ++ [{Key, Value}]})
            end;
        _ -> {error, [flag(Name), $\s, Text, ": expected ", expected(setting)]}
    end;
option(Name, Type, Text, Rest, Table, Words, #{texts := Texts} = Given) ->
    case {is_map_key(Name, Given), typed(Type, Text)} of
        {true, _} -> {error, [flag(Name), $\s, Text, ": given twice"]};
        {false, {ok, Value}} ->
            read(Rest, Table, Words, Given#{Name => Value, texts := Texts#{Name => Text}});
        {false, error} -> {error, [flag(Name), $\s, Text, ": expected ", expected(Type)]}
    end.

%% @doc An option as it is typed.
-spec flag(atom()) -> string().
flag(Name) -> "--" ++ [case C of $_ -> $-; _ -> C end || C <- atom_to_list(Name)].

%% @doc A path as bytes, which name the same file in any locale.
-spec path(string()) -> binary().
path(Text) -> unicode:characters_to_binary(Text).

expected(text) -> "a text";
expected(word) -> "a word of small letters, digits and _";
expected(integer) -> "an integer";
expected(positive) -> "a positive integer";
expected(number) -> "a number";
expected(duration) -> "a time such as 500ms, 30s, 5m or 2h";
expected(setting) -> "NAME=VALUE".

typed(text, "") -> error;
typed(text, Text) -> {ok, Text};
%% No module that is loaded may have the atom yet.
typed(word, Text) ->
    case re:run(Text, "^[a-z][a-z0-9_]{0,63}$", [{capture, none}]) of
        match -> {ok, list_to_atom(Text)};
        nomatch -> error
    end;
typed(positive, Text) ->
    case typed(integer, Text) of
        {ok, N} when N > 0 -> {ok, N};
        _ -> error
    end;
typed(integer, Text) ->
    case number(Text) of
        {ok, N} when is_integer(N) -> {ok, N};
        _ -> error
    end;
typed(number, Text) -> number(Text);
typed(duration, Text) ->
    case re:run(Text, "^(.*?)(ms|s|m|h)$", [unicode, {capture, all_but_first, list}]) of
        {match, [Count, Unit]} ->
            case number(Count) of
                {ok, N} when N >= 0, N < 1.0e12 -> {ok, round(N * unit(Unit))};
                _ -> error
            end;
        nomatch -> error
    end.

unit("ms") -> 1;
unit("s") -> 1000;
unit("m") -> 60_000;
unit("h") -> 3_600_000.

%% Reads numbers as people write them: Erlang does not read 1e-3.
number(Text) ->
    Pattern = "^([+-]?\\d{1,30})(\\.\\d{1,30})?([eE][+-]?\\d{1,3})?$",
    case re:run(Text, Pattern, [unicode, {capture, all_but_first, list}]) of
        nomatch -> error;
        {match, [Whole]} -> {ok, list_to_integer(Whole)};
        {match, [Whole, Fraction]} -> float_of(Whole ++ Fraction);
        {match, [Whole, "", Power]} -> float_of(Whole ++ ".0" ++ Power);
        {match, [Whole, Fraction, Power]} -> float_of(Whole ++ Fraction ++ Power)
    end.

float_of(Text) ->
    try {ok, list_to_float(Text)}
    catch error:badarg -> error
    end.

%% @doc Reads the value of a setting: a number, an existing atom, or a term as Erlang writes it.
-spec value(string()) -> {ok, term()} | error.
value(Text) ->
    case number(Text) of
        {ok, Number} -> {ok, Number};
        error ->
            case re:run(Text, "^[\\[{<\"#]", [unicode]) of
                nomatch -> word(Text);
                _ -> term(Text)
            end
    end.

%% @doc Reads an existing atom.
-spec word(string()) -> {ok, atom()} | error.
word(Text) ->
    try {ok, list_to_existing_atom(Text)}
    catch error:_ -> error
    end.

term(Text) ->
    maybe_parsed(erl_scan:string(Text ++ ".")).

maybe_parsed({ok, Tokens, _}) ->
    case erl_parse:parse_term(Tokens) of
        {ok, Term} -> {ok, Term};
        {error, _} -> error
    end;
maybe_parsed(_) -> error.

%% @doc Lists the options, one a line.
-spec help(table()) -> unicode:chardata().
help(Table) ->
    Left = [string:trim([flag(Name), $\s, Shown], trailing) || {Name, _, Shown, _} <- Table],
    Width = lists:max([0 | [string:length(Text) || Text <- Left]]),
    [["  ", string:pad(Text, Width), "  ", About, $\n]
     || {Text, {_, _, _, About}} <- lists:zip(Left, Table)].
