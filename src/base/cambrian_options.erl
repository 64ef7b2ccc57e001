%% @private
%% Checks a map of options against a table: `#{Name => {Check, Expected}}' or, where it has a
%% default, `#{Name => {Check, Expected, Default}}'. What is expected may depend on what was given.
%% An unknown option is refused, not ignored, with the name of the one that was perhaps meant.
-module(cambrian_options).

-export([check/3, unknown/4, nearest/2, parameters/1, parameters/2, is_positive/1, is_count/1, is_timeout/1]).
-export_type([error/0, table/0]).

-type error() :: {unknown_option, Name :: term(), cambrian_error:hint()}
               | {bad_option, {Name :: atom(), Got :: term(), Expected :: binary()}}.
-type table() :: #{atom() => {fun((term()) -> boolean()), expected()}
                           | {fun((term()) -> boolean()), expected(), Default :: term()}}.
-type expected() :: binary() | fun((Wrong :: term()) -> binary()).

%% Longer texts are nobody's slip of the finger.
-define(MAX_NAME, 64).

%% @doc The options with the defaults filled in. `See' is the page that lists them.
-spec check(map(), table(), See :: binary()) -> {ok, map()} | {error, error()}.
check(Options, Table, See) when is_map(Options) ->
    Defaults = maps:from_list([{Name, Default} || {Name, {_, _, Default}} <- maps:to_list(Table)]),
    case lists:filtermap(fun({Name, Value}) -> fault(Name, Value, Table, See) end,
                         lists:sort(maps:to_list(Options))) of
        [] -> {ok, maps:merge(Defaults, Options)};
        [Fault | _] -> {error, Fault}
    end;
check(Options, _Table, _See) ->
    {error, {bad_option, {options, Options, <<"a map">>}}}.

fault(Name, Value, Table, See) ->
    case Table of
        #{Name := Row} ->
            Check = element(1, Row),
            not Check(Value) andalso {true, {bad_option, {Name, Value, expected(element(2, Row), Value)}}};
        _ -> {true, unknown(unknown_option, Name, maps:keys(Table), See)}
    end.

expected(Expected, Value) when is_function(Expected, 1) -> Expected(Value);
expected(Expected, _Value) -> Expected.

is_positive(X) -> is_integer(X) andalso X > 0.
is_count(X) -> is_integer(X) andalso X >= 0.
is_timeout(X) -> X =:= infinity orelse is_count(X).

%%% ---- unknown names ----------------------------------------------------------------------

%% @doc The reason that a name is none of those that are known.
-spec unknown(Kind, Name :: term(), Known :: [atom()], See :: binary()) ->
          {Kind, Name :: term(), cambrian_error:hint()}
              when Kind :: unknown_option | unknown_parameter | unknown_operator | unknown_task.
unknown(Kind, Name, Known, See) ->
    Near = maps:from_list([{did_you_mean, Near} || Near <- nearest(Name, Known)]),
    {Kind, Name, Near#{see => See}}.

%% @doc An answer of the library that was given parameters: it knows only that a name is none.
-spec parameters(Answer) -> Answer.
parameters(Answer) -> parameters(Answer, []).

%% @doc The same where other names stand beside the parameters.
-spec parameters(Answer, Others :: [atom()]) -> Answer.
parameters({error, {unknown_parameter, Name}}, Others) ->
    Known = Others ++ [Parameter || {Parameter, _, _, _} <- cambrian_nif:parameters_table()],
    {error, unknown(unknown_parameter, Name, Known, <<"cambrian:parameters/0">>)};
parameters(Answer, _Others) -> Answer.

%% @doc The first of those that differ least from a name, if it is by no more than a third of the letters; else none.
-spec nearest(Name :: term(), Known :: [atom() | string()]) -> [atom() | string()].
nearest(Name, Known) ->
    case spelled(Name) of
        Text when Text =/= "", length(Text) =< ?MAX_NAME ->
            Near = [{Distance, One} || One <- Known, Distance <- [distance(Text, spelled(One))],
                                       Distance =< max(1, length(Text) div 3)],
            [One || {_, One} <- lists:sublist(lists:sort(Near), 1)];
        _ -> []
    end.

%% A name is an atom, but may have come as a text.
spelled(Name) ->
    try unicode:characters_to_list(if is_atom(Name) -> atom_to_binary(Name); true -> Name end) of
        Text when is_list(Text) -> [case C of $- -> $_; _ -> C end || C <- string:lowercase(Text)];
        _ -> ""
    catch error:_ -> ""
    end.

%% How many letters are to be put in, left out or replaced, or neighbours swapped, to make one word of another: the optimal
%% string alignment. A row of the table is computed from the two above it.
distance(From, To) ->
    First = lists:seq(0, length(To)),
    {Row, _, _} = lists:foldl(fun(Letter, {Above, Higher, Previous}) ->
                                      {row(Letter, Previous, To, Above, Higher), Above, Letter}
                              end, {First, First, none}, From),
    lists:last(Row).

row(Letter, Previous, To, [Corner | _] = Above, Higher) ->
    row(Letter, Previous, none, To, Above, [none | Higher], Corner + 1).

row(_, _, _, [], _, _, Left) -> [Left];
row(Letter, Previous, Before, [Wanted | To], [Corner, Up | Above], [Far | Higher], Left) ->
    Replaced = Corner + case Letter of Wanted -> 0; _ -> 1 end,
    Swapped = case {Letter, Wanted} of {Before, Previous} -> [Far + 1]; _ -> [] end,
    [Left | row(Letter, Previous, Wanted, To, [Up | Above], Higher, lists:min([Replaced, Up + 1, Left + 1 | Swapped]))].
